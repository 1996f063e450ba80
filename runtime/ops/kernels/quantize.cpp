#include "runtime/ops/kernels/quantize.h"

#include <cmath>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {

size_t quantize_index(const abi::QuantizeParams& p, size_t i) {
  const size_t span = size_t(p.axis) * p.inner;
  return i / span * p.outer_stride + i / p.inner % p.axis / p.block * p.axis_stride +
         i % p.inner * p.inner_stride;
}

int64_t saturate(DType dtype, double value) {
  const int bits = int(core::dtype_bits(dtype));
  const double high = std::ldexp(1.0, core::dtype_is_signed(dtype) ? bits - 1 : bits) - 1;
  const double low = core::dtype_is_signed(dtype) ? -high - 1 : 0;
  return std::isnan(value) ? 0 : int64_t(std::min(std::max(value, low), high));
}

namespace {

// The quotient is rounded to float before it is rounded to an integer, as ONNX Runtime does.
void quantize_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::QuantizeParams>();
  const auto [from, to] = args.call.variant;
  // The bits behind the last packed number are zero.
  if (core::dtype_bits(to) < 8 && p.n > 0) args.buffers[3][core::dtype_bytes(to, p.n) - 1] = {};
  for (size_t i = 0; i < p.n; ++i) {
    const size_t at = quantize_index(p, i);
    const float scale = float(load_real(DType(p.scale_type), args.buffers[1], at));
    const float quotient = float(load_real(from, args.buffers[0], i)) / scale;
    const double zero = p.flags & abi::kQuantizeZero ? load_real(to, args.buffers[2], at) : 0;
    if (core::dtype_is_float(to)) {
      store_small_float(to, args.buffers[3], i, quotient + zero, (p.flags & abi::kQuantizeKeepRange) == 0);
      continue;
    }
    store_int(to, args.buffers[3], i, saturate(to, std::nearbyint(quotient) + zero));
  }
}

}  // namespace

void kernel_quantize(KernelRegistry& registry) {
  registry.add<abi::QuantizeParams>("quantize", quantize_reference);
}

}  // namespace vulcap::ops
