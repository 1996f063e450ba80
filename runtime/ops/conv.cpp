#include "runtime/ops/conv.h"

#include <algorithm>

#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// Every output reads one pixel, at its own place.
bool is_pointwise(const Window& w) {
  const auto all = [](const std::array<int64_t, 3>& values, int64_t number) {
    return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == number; });
  };
  return w.taps() == 1 && all(w.stride, 1) && all(w.pad_begin, 0) && all(w.pad_end, 0);
}

// out[b, o, p] = sum_k weight[o, k] * columns[b, k, p], or columns[b, p, k] when they are transposed.
void emit_product(LowerContext& c, const ConvOperands& o, ValueId columns, bool transposed, int64_t positions,
                  uint32_t act) {
  const core::Shape weight = c.static_shape(o.weight);
  const DType dtype = c.value(o.x).dtype;
  abi::MatmulParams p{};
  p.m = narrow(weight[0]);
  p.n = narrow(positions);
  p.k = narrow(int64_t(core::element_count({weight.begin() + 1, weight.end()})));
  p.batch = narrow(c.static_shape(o.x)[0]);
  p.lda = p.k;
  p.ldb = transposed ? p.k : p.n;
  p.ldc = p.n;
  p.b_batch = p.n * p.k;
  p.c_batch = p.m * p.n;
  const bool bias = o.bias != graph::kNoValue;
  p.flags = (transposed ? abi::kMatmulTransB : 0) | (bias ? abi::kMatmulBias | abi::kMatmulBiasPerRow : 0);
  p.act = act;
  p.alpha = 1;
  c.emit(
      "matmul", {dtype, c.value(columns).dtype}, p,
      {c.read(o.weight), c.read(columns), c.read(bias ? o.bias : o.weight), c.read(o.weight), c.write(o.out)},
      {p.n, p.m, p.batch});
}

void emit_windows(LowerContext& c, const ConvOperands& o, const Window& w, int64_t group, uint32_t act) {
  const core::Shape image = c.static_shape(o.x), weight = c.static_shape(o.weight);
  abi::ConvParams p{};
  set_window(p, w);
  p.batch = narrow(image[0]);
  p.groups = narrow(group);
  p.in_channels = narrow(weight[1]);
  p.out_channels = narrow(weight[0] / group);
  const bool bias = o.bias != graph::kNoValue;
  p.flags = bias ? abi::kConvBias : 0;
  p.act = act;
  c.emit("conv", {c.value(o.x).dtype, {}}, p,
         {c.read(o.x), c.read(o.weight), c.read(bias ? o.bias : o.weight), c.write(o.out)},
         {narrow(image[0] * weight[0] * w.positions()), 1, 1});
}

}  // namespace

void emit_patches(LowerContext& c, ValueId x, ValueId patches, const Window& window) {
  const core::Shape image = c.static_shape(x);
  abi::Im2colParams p{};
  set_window(p, window);
  p.batch = narrow(image[0]);
  p.channels = p.channel_stride = narrow(image[1]);
  const uint32_t n = narrow(image[0] * image[1] * window.positions() * window.taps());
  c.emit("im2col", {c.value(x).dtype, {}}, p, {c.read(x), c.write(patches)}, {n, 1, 1});
}

void emit_conv(LowerContext& c, const ConvOperands& operands, const Window& window, int64_t group,
               uint32_t act) {
  if (group > 1) return emit_windows(c, operands, window, group, act);
  const int64_t positions = window.positions();
  if (is_pointwise(window)) return emit_product(c, operands, operands.x, false, positions, act);
  const core::Shape image = c.static_shape(operands.x);
  const ValueId patches = c.temp(c.value(operands.x).dtype, {image[0], positions, image[1] * window.taps()});
  emit_patches(c, operands.x, patches, window);
  emit_product(c, operands, patches, true, positions, act);
}

}  // namespace vulcap::ops
