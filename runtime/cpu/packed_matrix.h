// The matmul operand B re-laid once at load: panels of 32 columns, each stored [k][32], the last one padded
// with zeros.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

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
  size_t depth = 0;  // rows of a panel: k, for integer products rounded up to a multiple of four
  ops::WeightLayout source = ops::WeightLayout::kPlain;
  AlignedMemory memory;
  std::vector<int32_t>
      column_sums;  // integer products: the sum of each column, padded with zeros to whole panels

  const std::byte* panel(size_t index) const {
    return memory.data() + index * depth * kPanelWidth * core::dtype_bytes(dtype, 1);
  }
};

// True for a matrix with a matmul layout: f32 or f16 for matmul, 8-bit integers for matmul_integer and
// matmul_quantized. Unsigned bytes are packed as signed ones that are 128 smaller. For matmul_integer four
// rows lie together: [depth / 4][32][4].
bool can_pack(const plan::WeightRequest& request);
// Packs the requested columns; pages of a file-backed source are released as soon as they have been read.
std::unique_ptr<PackedMatrix> pack_matrix(const plan::WeightRequest& request, core::ThreadPool& pool);

// One panel of an integer product: [ceil(k / 4)][32][4] signed bytes and the sum of each of the 32 columns.
void pack_integer_panel(const uint8_t* b, bool is_unsigned, size_t ldb, bool transposed, size_t k,
                        size_t column, size_t width, int8_t* panel, int32_t* sums);

// One panel: columns [column, column + width) of B, at most 32, from [k, n] (transposed: [n, k]) with row
// stride ldb.
void pack_panel(const float* b, size_t ldb, bool transposed, size_t k, size_t column, size_t width,
                float* panel);
void pack_panel(const uint16_t* b, size_t ldb, bool transposed, size_t k, size_t column, size_t width,
                uint16_t* panel);

}  // namespace vulcap::cpu
