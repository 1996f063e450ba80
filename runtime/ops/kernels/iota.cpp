#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void iota_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::IotaParams>();
  const DType dtype = args.call.variant.storage;
  const int64_t position = args.call.uses_state ? args.state[0] : 0;
  const int64_t start = p.start + p.start_dyn * position;
  for (int64_t i = 0; i < int64_t(p.n); ++i) {
    const int64_t value = start + p.step * i;
    if (core::dtype_is_float(dtype)) {
      store_real(dtype, args.buffers[0], size_t(i), double(value));
    } else {
      store_int(dtype, args.buffers[0], size_t(i), value);
    }
  }
}

}  // namespace

void kernel_iota(KernelRegistry& registry) { registry.add<abi::IotaParams>("iota", iota_reference); }

}  // namespace vulcap::ops
