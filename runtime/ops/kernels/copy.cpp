#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void copy_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::CopyParams>();
  const auto size = int64_t(core::dtype_bytes(args.call.variant.storage, 1));
  const int64_t position = args.call.uses_state ? args.state[0] : 0;
  const int64_t in_offset = p.in_offset + p.in_offset_dyn * position;
  const int64_t out_offset = p.out_offset + p.out_offset_dyn * position;
  const size_t bits = core::dtype_bits(args.call.variant.storage);
  for (uint32_t i = 0; i < p.n; ++i) {
    const int64_t from = in_offset + strided_index(i, p.shape, p.in_stride);
    const int64_t to = out_offset + strided_index(i, p.shape, p.out_stride);
    if (bits < 8) {
      core::store_packed(args.buffers[1], bits, size_t(to),
                         core::load_packed(args.buffers[0], bits, size_t(from)));
    } else {
      std::memmove(args.buffers[1] + to * size, args.buffers[0] + from * size, size_t(size));
    }
  }
}

}  // namespace

void kernel_copy(KernelRegistry& registry) { registry.add<abi::CopyParams>("copy", copy_reference); }

}  // namespace vulcap::ops
