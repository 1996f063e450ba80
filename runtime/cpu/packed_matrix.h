// The matmul operand B re-laid once at load: panels of 32 columns, each stored [k][32], the last one padded
// with zeros.
#pragma once

#include <cstddef>
#include <memory>

#include "runtime/core/dtype.h"
#include "runtime/core/tensor.h"
#include "runtime/core/thread_pool.h"
#include "runtime/cpu/aligned_memory.h"
#include "runtime/ops/kernel_call.h"
#include "runtime/plan/backend.h"

namespace vulcap::cpu {

inline constexpr size_t kPanelWidth = 32;

struct PackedMatrix {
  core::DType dtype = core::DType::kUndefined;
  size_t k = 0;
  size_t n = 0;
  ops::WeightLayout source = ops::WeightLayout::kPlain;
  AlignedMemory memory;

  const std::byte* panel(size_t index) const {
    return memory.data() + index * k * kPanelWidth * core::dtype_bytes(dtype, 1);
  }
};

// True for a matrix of f32 or f16 with a matmul layout.
bool can_pack(const plan::WeightRequest& request);
// Packs the requested columns; pages of a file-backed source are released as soon as they have been read.
std::unique_ptr<PackedMatrix> pack_matrix(const plan::WeightRequest& request, core::ThreadPool& pool);

// One panel: columns [column, column + width) of B, at most 32, from [k, n] (transposed: [n, k]) with row
// stride ldb.
void pack_panel(const float* b, size_t ldb, bool transposed, size_t k, size_t column, size_t width,
                float* panel);
void pack_panel(const uint16_t* b, size_t ldb, bool transposed, size_t k, size_t column, size_t width,
                uint16_t* panel);

}  // namespace vulcap::cpu
