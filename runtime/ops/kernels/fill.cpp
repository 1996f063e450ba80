#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void fill_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::FillParams>();
  const uint64_t value = uint64_t(p.value_high) << 32 | p.value_low;
  const DType dtype = args.call.variant.storage;
  const size_t bits = core::dtype_bits(dtype), size = core::dtype_bytes(dtype, 1);
  for (size_t i = 0; i < p.n; ++i) {
    if (bits < 8) {
      core::store_packed(args.buffers[0], bits, i, uint8_t(value));
    } else {
      std::memcpy(args.buffers[0] + i * size, &value, size);
    }
  }
}

}  // namespace

void kernel_fill(KernelRegistry& registry) { registry.add<abi::FillParams>("fill", fill_reference); }

}  // namespace vulcap::ops
