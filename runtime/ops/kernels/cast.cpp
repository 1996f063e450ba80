#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void store_small_float(DType dtype, std::byte* base, size_t i, double value, uint32_t flags) {
  const auto rounding = (flags & abi::kCastRoundDown) != 0      ? core::E8M0Rounding::kDown
                        : (flags & abi::kCastRoundNearest) != 0 ? core::E8M0Rounding::kNearest
                                                                : core::E8M0Rounding::kUp;
  const bool saturate = (flags & abi::kCastNoSaturate) == 0;
  const uint8_t bits = core::double_to_small_float(dtype, value, saturate, rounding);
  if (core::dtype_bits(dtype) == 8) return store_as(base, i, bits);
  core::store_packed(base, core::dtype_bits(dtype), i, bits);
}

void cast_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::CastParams>();
  const auto [from, to] = args.call.variant;
  std::byte* y = args.buffers[1];
  const bool real = core::dtype_is_float(from) || from == DType::kU64;
  for (size_t i = 0; i < p.n; ++i) {
    if (from == DType::kU64 && core::dtype_is_integer(to)) {
      store_int(to, y, i, load_int(from, args.buffers[0], i));
    } else if (core::dtype_is_small_float(to)) {
      store_small_float(to, y, i, load_real(from, args.buffers[0], i), p.flags);
    } else if (real) {
      store_real(to, y, i, load_real(from, args.buffers[0], i));
    } else if (to == DType::kF32) {
      store_as<float>(y, i, float(load_int(from, args.buffers[0], i)));
    } else if (core::dtype_is_float(to)) {
      store_real(to, y, i, double(load_int(from, args.buffers[0], i)));
    } else {
      store_int(to, y, i, load_int(from, args.buffers[0], i));
    }
  }
}

}  // namespace

void kernel_cast(KernelRegistry& registry) { registry.add<abi::CastParams>("cast", cast_reference); }

}  // namespace vulcap::ops
