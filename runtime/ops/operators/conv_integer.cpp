// ConvInteger-10 and vulcap.IntegerConv: patches by strided copies, then an integer product for each group.
#include <algorithm>

#include "runtime/ops/integer_product.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

enum Operand : size_t { kX, kW, kXZero, kWZero, kScale, kBias };

struct Axis {
  int64_t in = 0, kernel = 0, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0, out = 0;
  int64_t padded() const { return in + pad_begin + pad_end; }
};

void pad_same(Axis& axis, bool upper) {
  const int64_t out = (axis.in + axis.stride - 1) / axis.stride;
  const int64_t reach = (out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
  const int64_t total = std::max<int64_t>(0, reach - axis.in);
  axis.pad_begin = upper ? total / 2 : total - total / 2;
  axis.pad_end = total - axis.pad_begin;
}

// Throws when an attribute does not fit; x is [batch, channels, spatial...].
std::vector<Axis> window(const Attributes& attributes, const core::Shape& x, const core::Shape& w) {
  const size_t rank = x.size() - 2;
  const auto strides = attributes.integers("strides", std::vector<int64_t>(rank, 1));
  const auto dilations = attributes.integers("dilations", std::vector<int64_t>(rank, 1));
  const auto pads = attributes.integers("pads", std::vector<int64_t>(2 * rank, 0));
  const std::string auto_pad = attributes.text("auto_pad", "NOTSET");
  const auto refuse = [](const char* why) { throw core::Error(core::ErrorCode::kInvalidModel, why); };
  if (strides.size() != rank || dilations.size() != rank || pads.size() != 2 * rank)
    refuse("strides, dilations and pads must have an entry for each spatial axis");
  std::vector<Axis> axes;
  for (size_t i = 0; i < rank; ++i) {
    Axis axis{x[2 + i], w[2 + i], strides[i], dilations[i], pads[i], pads[i + rank]};
    if (axis.stride <= 0 || axis.dilation <= 0) refuse("strides and dilations must be positive");
    if (auto_pad == "VALID") axis.pad_begin = axis.pad_end = 0;
    if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") pad_same(axis, auto_pad == "SAME_UPPER");
    if (axis.pad_begin < 0 || axis.pad_end < 0) refuse("negative pads are not supported");
    const int64_t reach = axis.padded() - (axis.kernel - 1) * axis.dilation - 1;
    if (reach < 0) refuse("the kernel is larger than the padded input");
    axis.out = reach / axis.stride + 1;
    axes.push_back(axis);
  }
  return axes;
}

core::Shape known(InferContext& c, size_t i) {
  core::Shape shape;
  for (const Dim& dim : c.shape(i)) {
    if (!dim.is_constant()) c.undecided("a convolution needs the number behind " + dim.text());
    shape.push_back(dim.value());
  }
  return shape;
}

void infer_conv(InferContext& c) {
  const core::Shape x = known(c, kX), w = known(c, kW);
  const int64_t group = c.attributes().integer("group", 1);
  if (x.size() < 3 || w.size() != x.size()) c.fail("input and weight must have one rank, 3 or more");
  if (group < 1 || w[1] * group != x[1] || w[0] % group != 0)
    c.fail("weight " + core::shape_text(w) + " does not fit " + std::to_string(x[1]) + " channels in " +
           std::to_string(group) + " groups");
  for (size_t i : {kX, kW}) {
    if (c.dtype(i) != DType::kU8 && c.dtype(i) != DType::kI8) c.fail("operands must be int8 or uint8");
  }
  SymShape to{Dim(x[0]), Dim(w[0])};
  for (const Axis& axis : window(c.attributes(), x, w)) to.push_back(Dim(axis.out));
  c.set(0, c.has(kScale) ? DType::kF32 : DType::kI32, std::move(to));
}

// The image inside a frame of its zero point.
ValueId padded_image(LowerContext& c, const core::Shape& x, const std::vector<Axis>& axes, core::Shape& to) {
  int64_t offset = 0;
  bool frame = false;
  to = {x[0], x[1]};
  for (const Axis& axis : axes) {
    to.push_back(axis.padded());
    offset = offset * axis.padded() + axis.pad_begin;
    frame |= axis.pad_begin + axis.pad_end > 0;
  }
  if (!frame) return c.in(kX);
  const ValueId result = c.temp(c.dtype(kX), to);
  const uint32_t n = narrow(int64_t(core::element_count(to)));
  if (c.has(kXZero)) {
    emit_copy(c, c.in(kXZero), result, {{int64_t(n)}, {0}, {1}});
  } else {
    c.emit("fill", {c.dtype(kX), {}}, abi::FillParams{n, 0, 0}, {c.write(result)}, {n, 1, 1});
  }
  StridedCopy inside{x, row_major_strides(x), row_major_strides(to)};
  inside.out_offset = offset;
  emit_copy(c, c.in(kX), result, inside);
  return result;
}

// patches[p, channel, kernel...] of one image and group; outer output axes are walked here where six axes are
// too few.
void emit_patches(LowerContext& c, ValueId image, ValueId patches, const std::vector<Axis>& axes,
                  const std::vector<int64_t>& strides, int64_t channels, int64_t in_offset,
                  int64_t out_offset) {
  StridedCopy copy;
  const size_t skip = axes.size() > 2 ? axes.size() - 2 : 0;
  int64_t outer = 1;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (i < skip) outer *= axes[i].out;
    if (i < skip) continue;
    copy.shape.push_back(axes[i].out);
    copy.in_strides.push_back(axes[i].stride * strides[2 + i]);
  }
  copy.shape.push_back(channels);
  copy.in_strides.push_back(strides[1]);
  for (size_t i = 0; i < axes.size(); ++i) {
    copy.shape.push_back(axes[i].kernel);
    copy.in_strides.push_back(axes[i].dilation * strides[2 + i]);
  }
  copy.out_strides = row_major_strides(copy.shape);
  const int64_t part = int64_t(core::element_count(copy.shape));
  for (int64_t o = 0; o < outer; ++o) {
    copy.in_offset = in_offset;
    for (int64_t rest = o, i = int64_t(skip) - 1; i >= 0; rest /= axes[size_t(i)].out, --i)
      copy.in_offset += rest % axes[size_t(i)].out * axes[size_t(i)].stride * strides[2 + size_t(i)];
    copy.out_offset = out_offset + o * part;
    emit_copy(c, image, patches, copy);
  }
}

uint32_t elements(const LowerContext& c, size_t operand) {
  return c.has(operand) ? uint32_t(core::element_count(c.shape(operand))) : 0;
}

abi::MatmulIntegerParams product(const LowerContext& c, const core::Shape& w, int64_t group, int64_t batch,
                                 int64_t positions) {
  abi::MatmulIntegerParams p{};
  p.m = narrow(w[0] / group);
  p.n = narrow(positions);
  p.k = narrow(int64_t(core::element_count({w.begin() + 1, w.end()})));
  p.batch = narrow(batch);
  p.lda = p.ldb = p.k;
  p.ldc = p.n;
  p.b_batch = p.n * p.k;
  p.c_batch = narrow(w[0]) * p.n;
  p.flags = abi::kIntegerTransB | abi::kIntegerPerRow | (c.has(kWZero) ? abi::kIntegerAZero : 0) |
            (c.has(kXZero) ? abi::kIntegerBZero : 0) | (c.has(kScale) ? abi::kIntegerScale : 0) |
            (c.has(kBias) ? abi::kIntegerBias : 0);
  p.a_zero_step = elements(c, kWZero) > 1 ? 1 : 0;
  p.scale_step = elements(c, kScale) > 1 ? 1 : 0;
  return p;
}

void lower_conv(LowerContext& c) {
  const core::Shape x = c.shape(kX), w = c.shape(kW);
  const int64_t group = c.attributes().integer("group", 1), positions_k = w[1];
  const auto axes = window(c.attributes(), x, w);
  core::Shape frame;
  const ValueId image = padded_image(c, x, axes, frame);
  const auto strides = row_major_strides(frame);
  int64_t positions = 1;
  for (const Axis& axis : axes) positions *= axis.out;
  abi::MatmulIntegerParams p = product(c, w, group, x[0], positions);
  const auto or_w = [&](size_t operand) { return c.read(c.has(operand) ? c.in(operand) : c.in(kW)); };
  for (int64_t g = 0; g < group; ++g) {
    const ValueId patches = c.temp(c.dtype(kX), {x[0], positions, int64_t(p.k)});
    for (int64_t b = 0; b < x[0]; ++b) {
      emit_patches(c, image, patches, axes, strides, positions_k, b * strides[0] + g * w[1] * strides[1],
                   b * positions * int64_t(p.k));
    }
    p.channel = narrow(g * int64_t(p.m));
    p.a_offset = narrow(g * int64_t(p.m) * int64_t(p.k));
    p.c_offset = narrow(g * int64_t(p.m) * positions);
    c.emit("matmul_integer", {c.dtype(kW), c.dtype(kX)}, p,
           {c.read(c.in(kW)), c.read(patches), or_w(kWZero), or_w(kXZero), or_w(kScale), or_w(kBias),
            c.read(c.in(kW)), c.write(c.out(0))},
           {p.n, p.m, p.batch});
  }
}

}  // namespace

void register_conv_integer(OpRegistry& registry) {
  registry.add({"ConvInteger", "", infer_conv, lower_conv});
  registry.add({std::string(kIntegerConv), "vulcap", infer_conv, lower_conv});
}

}  // namespace vulcap::ops
