// Tensors in 8 bits: number = scale * (stored - zero point).
#pragma once

#include <optional>

#include "runtime/core/tensor.h"

namespace vulcap::quantization {

struct AffineForm {
  core::DType dtype = core::DType::kI8;  // or kU8
  bool symmetric = true;                 // the zero point is the middle: 0, or 128
  bool reduce_range = false;             // 7 bits
  std::optional<int> axis = {};          // a scale and a zero point for each index of it; none: one for all
};

struct AffineTensor {
  core::Tensor numbers;      // of the form's type, in the tensor's shape
  core::Tensor scales;       // f32[] or f32[axis]
  core::Tensor zero_points;  // of the form's type, shaped as the scales
};

// `tensor` is f32. Zero is always stored exactly.
AffineTensor quantize_affine(const core::Tensor& tensor, const AffineForm& form);

}  // namespace vulcap::quantization
