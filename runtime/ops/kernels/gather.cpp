#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void gather_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::GatherParams>();
  const size_t bits = core::dtype_bits(args.call.variant.storage);
  const size_t row_bytes = core::dtype_bytes(args.call.variant.storage, p.inner);
  const size_t held = p.row_end - p.row_begin;
  const size_t rows = p.n == 0 ? 0 : p.n / p.inner;
  for (size_t row = 0; row < rows; ++row) {
    int64_t index = load_int(args.call.variant.second, args.buffers[1], row % p.indices);
    if (index < -int64_t(p.axis_size) || index >= int64_t(p.axis_size)) {
      throw core::Error(core::ErrorCode::kRuntime, "Gather: index " + std::to_string(index) +
                                                       " is outside [0, " + std::to_string(p.axis_size) +
                                                       ") of the gathered axis; check "
                                                       "that the token ids or positions fit the model");
    }
    if (index < 0) index += p.axis_size;
    if (index < p.row_begin || index >= p.row_end) continue;
    const size_t source = row / p.indices * held + size_t(index) - p.row_begin;
    if (bits >= 8) {
      std::memcpy(args.buffers[2] + row * row_bytes, args.buffers[0] + source * row_bytes, row_bytes);
      continue;
    }
    for (size_t i = 0; i < p.inner; ++i) {
      core::store_packed(args.buffers[2], bits, row * p.inner + i,
                         core::load_packed(args.buffers[0], bits, source * p.inner + i));
    }
  }
}

}  // namespace

void kernel_gather(KernelRegistry& registry) { registry.add<abi::GatherParams>("gather", gather_reference); }

}  // namespace vulcap::ops
