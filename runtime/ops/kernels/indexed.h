// What gather_nd and scatter_nd share: the element that an item names.
#pragma once

#include "runtime/ops/kernel_call.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {

inline uint32_t indexed_items(const abi::GatherNdParams& p) {
  uint32_t n = 1;
  for (const uint32_t size : p.shape) n *= size;
  return n;
}

[[noreturn]] inline void index_outside(std::string_view kernel, int64_t index, int64_t size) {
  throw core::Error(core::ErrorCode::kRuntime, std::string(kernel) + ": index " + std::to_string(index) +
                                                   " is outside [" + std::to_string(-size) + ", " +
                                                   std::to_string(size) + ") of the indexed axis");
}

// Offset in x of what item `i` names.
inline size_t indexed_offset(std::string_view kernel, const abi::GatherNdParams& p, DType dtype,
                             const std::byte* indices, uint32_t i) {
  int64_t offset = strided_index(i, p.shape, p.x_stride);
  const auto first = size_t(strided_index(i, p.shape, p.i_stride));
  for (size_t d = 0; d < p.depth; ++d) {
    int64_t index = load_int(dtype, indices, first + d);
    const int64_t size = p.size[d];
    if (index < -size || index >= size) index_outside(kernel, index, size);
    if (index < 0) index += size;
    offset += index * p.stride[d];
  }
  return size_t(offset);
}

}  // namespace vulcap::ops
