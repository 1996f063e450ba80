// Fewer axes, fewer divisions: adjacent axes that every operand walks in one stride become one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "shaders/abi.h"

namespace vulcap::vulkan {

// Rewrites shape and the operands' strides (element strides, right-aligned axes) so that the same items are
// visited in the same order, and returns how many axes, at the end, are in use: at least 1.
template <typename Stride, size_t kOperands>
uint32_t merge_axes(uint32_t (&shape)[abi::kMaxRank],
                    std::array<Stride (*)[abi::kMaxRank], kOperands> strides) {
  uint32_t merged_shape[abi::kMaxRank];
  Stride merged[kOperands][abi::kMaxRank];
  uint32_t used = 0;  // counted from the last axis
  for (uint32_t i = abi::kMaxRank; i-- > 0;) {
    if (shape[i] == 1) continue;
    bool joins = used > 0;
    for (size_t o = 0; o < kOperands && joins; ++o) {
      joins = int64_t((*strides[o])[i]) == int64_t(merged[o][used - 1]) * int64_t(merged_shape[used - 1]);
    }
    if (joins) {
      merged_shape[used - 1] *= shape[i];
      continue;
    }
    merged_shape[used] = shape[i];
    for (size_t o = 0; o < kOperands; ++o) merged[o][used] = (*strides[o])[i];
    ++used;
  }
  for (uint32_t i = 0; i < abi::kMaxRank; ++i) {
    const uint32_t axis = abi::kMaxRank - 1 - i;
    shape[axis] = i < used ? merged_shape[i] : 1;
    for (size_t o = 0; o < kOperands; ++o) (*strides[o])[axis] = i < used ? merged[o][i] : 0;
  }
  return used > 0 ? used : 1;
}

}  // namespace vulcap::vulkan
