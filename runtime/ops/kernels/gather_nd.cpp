#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/indexed.h"

namespace vulcap::ops {
namespace {

void gather_nd_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::GatherNdParams>();
  const size_t size = core::dtype_bytes(args.call.variant.storage, 1);
  for (uint32_t i = 0; i < indexed_items(p); ++i) {
    const size_t from = indexed_offset("GatherND", p, args.call.variant.second, args.buffers[1], i);
    std::memcpy(args.buffers[2] + i * size, args.buffers[0] + from * size, size);
  }
}

}  // namespace

void kernel_gather_nd(KernelRegistry& registry) {
  registry.add<abi::GatherNdParams>("gather_nd", gather_nd_reference);
}

}  // namespace vulcap::ops
