// The strided copy that Transpose, Slice, Concat, Split, Expand, Tile and key/value appends lower to.
#pragma once

#include <vector>

#include "runtime/ops/op_registry.h"

namespace vulcap::ops {

// Offsets and strides in elements; *_dyn is multiplied by the positions already in the cache.
struct StridedCopy {
  core::Shape shape;
  std::vector<int64_t> in_strides;
  std::vector<int64_t> out_strides;
  int64_t in_offset = 0;
  int64_t in_offset_dyn = 0;
  int64_t out_offset = 0;
  int64_t out_offset_dyn = 0;
};

void emit_copy(LowerContext& context, ValueId from, ValueId to, const StridedCopy& copy);
// Whether `strides` over `shape` walk memory in order without gaps.
bool is_contiguous(const core::Shape& shape, const std::vector<int64_t>& strides);

}  // namespace vulcap::ops
