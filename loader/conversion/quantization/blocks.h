// Matrices in blocks of 4-bit numbers that share a scale, in the layouts of com.microsoft's operators.
#pragma once

#include <cstdint>

#include "runtime/core/tensor.h"

namespace vulcap::quantization {

// A weight f[K,N], or [N,K] where it is transposed, of type f32 or f16.
struct Matrix {
  const core::Tensor& numbers;
  bool transposed = false;

  int64_t k() const { return numbers.shape()[transposed ? 1 : 0]; }
  int64_t n() const { return numbers.shape()[transposed ? 0 : 1]; }
};

// MatMulNBits of 4 bits: a column's K in blocks; what the last one lacks is not read.
struct NBitBlocks {
  core::Tensor numbers;      // u8[N, blocks, block / 2], the first number in the low half
  core::Tensor scales;       // f[N, blocks], of the matrix's type
  core::Tensor zero_points;  // u8[N, (blocks + 1) / 2]; empty where symmetric (all are 8)
};
NBitBlocks n_bit_blocks(const Matrix& matrix, int64_t block, bool symmetric);

// MatMulBnb4 of quant_type 1: the transposed matrix as one row of numbers in blocks.
struct Nf4Blocks {
  core::Tensor numbers;  // u8[(N * K + 1) / 2], the first number in the high half
  core::Tensor scales;   // f[blocks], of the matrix's type: the largest magnitude
};
Nf4Blocks nf4_blocks(const Matrix& matrix, int64_t block);

}  // namespace vulcap::quantization
