#include <cstring>

#include "runtime/core/error.h"
#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"

namespace vulcap::cpu {
namespace {

// The places that the indices name, all inside the axis.
template <typename Index>
void check_indices(const Index* indices, const abi::GatherParams& p) {
  for (size_t i = 0; i < p.indices; ++i) {
    const int64_t index = indices[i];
    if (index >= -int64_t(p.axis_size) && index < int64_t(p.axis_size)) continue;
    throw core::Error(core::ErrorCode::kRuntime, "Gather: index " + std::to_string(index) +
                                                     " is outside [0, " + std::to_string(p.axis_size) +
                                                     ") of the gathered axis; check " +
                                                     "that the token ids or positions fit the model");
  }
}

// A row of `kBytes` bytes, or of `bytes` when kBytes is 0.
template <size_t kBytes>
void copy_row(std::byte* to, const std::byte* from, size_t bytes) {
  std::memcpy(to, from, kBytes == 0 ? bytes : kBytes);
}

template <typename Index, size_t kBytes>
void gather_rows(const CpuArgs& args, size_t row_bytes) {
  const auto& p = args.call().params_as<abi::GatherParams>();
  const auto* indices = args.ptr<Index>(1);
  const auto* x = args.ptr<std::byte>(0);
  auto* y = args.ptr<std::byte>(2);
  check_indices(indices, p);
  const size_t held = p.row_end - p.row_begin;
  parallel_range(args.pool, p.n / p.inner, row_bytes, [&](size_t begin, size_t end) {
    size_t outer = begin / p.indices, at = begin % p.indices;
    for (size_t row = begin; row < end; ++row) {
      int64_t index = indices[at];
      if (index < 0) index += p.axis_size;
      if (index >= p.row_begin && index < p.row_end) {
        const size_t source = outer * held + size_t(index) - p.row_begin;
        copy_row<kBytes>(y + row * row_bytes, x + source * row_bytes, row_bytes);
      }
      if (++at == p.indices) at = 0, ++outer;
    }
  });
}

template <typename Index>
void gather(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::GatherParams>();
  if (p.n == 0) return;
  const size_t row_bytes = core::dtype_bytes(args.call().variant.storage, p.inner);
  if (row_bytes == 4) return gather_rows<Index, 4>(args, row_bytes);
  if (row_bytes == 8) return gather_rows<Index, 8>(args, row_bytes);
  gather_rows<Index, 0>(args, row_bytes);
}

void run_gather(const CpuArgs& args) {
  if (args.call().variant.second == core::DType::kI32) return gather<int32_t>(args);
  gather<int64_t>(args);
}

bool accepts_gather(const ops::KernelCall& call) {
  const auto index = call.variant.second;
  return (index == core::DType::kI64 || index == core::DType::kI32) &&
         core::dtype_bits(call.variant.storage) >= 8;
}

}  // namespace

void cpu_kernel_gather(CpuRegistry& registry) {
  registry.add("gather", {run_gather, accepts_gather, nullptr});
}

}  // namespace vulcap::cpu
