#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void where_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::WhereParams>();
  const DType dtype = args.call.variant.storage;
  const size_t size = core::dtype_bytes(dtype, 1);
  for (uint32_t i = 0; i < p.n; ++i) {
    const bool condition =
        load_as<uint8_t>(args.buffers[0], size_t(strided_index(i, p.shape, p.c_stride))) != 0;
    const std::byte* source = args.buffers[condition ? 1 : 2];
    const auto at = size_t(strided_index(i, p.shape, condition ? p.a_stride : p.b_stride));
    const size_t bits = core::dtype_bits(dtype);
    if (bits < 8) {
      core::store_packed(args.buffers[3], bits, i, core::load_packed(source, bits, at));
    } else {
      std::memmove(args.buffers[3] + i * size, source + at * size, size);
    }
  }
}

}  // namespace

void kernel_where(KernelRegistry& registry) { registry.add<abi::WhereParams>("where", where_reference); }

}  // namespace vulcap::ops
