#pragma once

#include <string>

#include "runtime/core/tensor.h"

namespace vulcap::quantization {

// Throws core::Error(kInvalidModel) when a weight, f32 or f16, holds a NaN or an infinity.
void require_finite(const core::Tensor& weight, const std::string& name);

}  // namespace vulcap::quantization
