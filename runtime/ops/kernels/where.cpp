#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void where_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::WhereParams>();
  const size_t size = core::dtype_bytes(args.call.variant.storage, 1);
  for (uint32_t i = 0; i < p.n; ++i) {
    const bool condition =
        load_as<uint8_t>(args.buffers[0], size_t(strided_index(i, p.shape, p.c_stride))) != 0;
    const std::byte* source = condition
                                  ? args.buffers[1] + size_t(strided_index(i, p.shape, p.a_stride)) * size
                                  : args.buffers[2] + size_t(strided_index(i, p.shape, p.b_stride)) * size;
    std::memmove(args.buffers[3] + i * size, source, size);
  }
}

}  // namespace

void kernel_where(KernelRegistry& registry) { registry.add<abi::WhereParams>("where", where_reference); }

}  // namespace vulcap::ops
