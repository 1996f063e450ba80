#include <algorithm>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

size_t table_row(const KernelArgs& args, const abi::RotaryParams& p, size_t b, size_t s) {
  int64_t row = p.row_offset + int64_t(b * p.row_b + s * p.row_s);
  if (p.flags & abi::kRotaryIds)
    row += load_int(args.call.variant.second, args.buffers[3], b * p.ids_b + s * p.ids_s);
  return size_t(std::clamp<int64_t>(row, 0, int64_t(p.rows) - 1));
}

void rotary_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::RotaryParams>();
  const DType dtype = args.call.variant.storage;
  const size_t half = p.rotary / 2;
  const bool interleaved = (p.flags & abi::kRotaryInterleaved) != 0;
  for (size_t i = 0; i < p.n; ++i) {
    const size_t d = i % p.width, h = i / p.width % p.heads, s = i / p.width / p.heads % p.positions;
    const size_t b = i / p.width / p.heads / p.positions;
    const size_t x = p.x_offset + b * p.x_b + h * p.x_h + s * p.x_s;
    double value = load_real(dtype, args.buffers[0], x + d);
    if (d < p.rotary) {
      const bool first = interleaved ? d % 2 == 0 : d < half;
      const size_t pair = interleaved ? d / 2 : d % half, step = interleaved ? 1 : half;
      const size_t at = table_row(args, p, b, s) * half + pair;
      const double other = load_real(dtype, args.buffers[0], first ? x + d + step : x + d - step);
      const double sine = load_real(dtype, args.buffers[2], at);
      value = value * load_real(dtype, args.buffers[1], at) + (first ? -other : other) * sine;
    }
    store_real(dtype, args.buffers[4], b * p.y_b + h * p.y_h + s * p.y_s + d, value);
  }
}

}  // namespace

void kernel_rotary(KernelRegistry& registry) { registry.add<abi::RotaryParams>("rotary", rotary_reference); }

}  // namespace vulcap::ops
