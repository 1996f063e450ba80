// Weights of matmul_quantized as floats, a panel of columns at a time.
#pragma once

#include <cstddef>

#include "runtime/cpu/packed_matrix.h"
#include "runtime/ops/kernel_call.h"
#include "shaders/abi.h"

namespace vulcap::cpu {

class QuantizedWeight {
 public:
  // `packed`: B as byte panels, or null.
  QuantizedWeight(const ops::KernelArgs& args, const PackedMatrix* packed);

  // panel[k][32] for the columns from panel * 32 on; columns beyond n are left as they are.
  void dequantise(size_t panel, float* to) const;

  float scale(size_t k, size_t n) const;
  float zero(size_t k, size_t n) const;  // 0 for tables
  // The values that the numbers of a block stand for, before the scale; `count` is 4, 16 or 256.
  void values(size_t k, size_t n, float* table) const;

 private:
  void dequantise_rows(size_t column, size_t width, float* to) const;
  void dequantise_any(size_t panel, size_t width, float* to) const;
  float scale_at(size_t index) const;
  uint32_t number(const std::byte* base, size_t index) const;
  float signed_number(uint32_t raw) const;

  const ops::KernelArgs& args_;
  const abi::MatmulQuantizedParams& p_;
  const PackedMatrix* packed_;
};

}  // namespace vulcap::cpu
