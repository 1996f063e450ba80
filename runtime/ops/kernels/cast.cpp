#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void cast_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::CastParams>();
  const auto [from, to] = args.call.variant;
  for (size_t i = 0; i < p.n; ++i) {
    if (core::dtype_is_float(from) || from == DType::kU64) {
      store_real(to, args.buffers[1], i, load_real(from, args.buffers[0], i));
      continue;
    }
    const int64_t value = load_int(from, args.buffers[0], i);
    if (to == DType::kF32) {
      store_as<float>(args.buffers[1], i, float(value));
    } else if (core::dtype_is_float(to)) {
      store_real(to, args.buffers[1], i, double(value));
    } else {
      store_int(to, args.buffers[1], i, value);
    }
  }
}

}  // namespace

void kernel_cast(KernelRegistry& registry) { registry.add<abi::CastParams>("cast", cast_reference); }

}  // namespace vulcap::ops
