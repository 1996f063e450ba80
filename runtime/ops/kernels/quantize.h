// What the references of the quantising kernels share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/core/dtype.h"
#include "runtime/core/packed.h"
#include "runtime/core/small_float.h"
#include "shaders/abi.h"

namespace vulcap::ops {

// Where the scale and zero point of element i stand.
size_t quantize_index(const abi::QuantizeParams& p, size_t i);
// The nearest integer that `dtype` holds; 0 for NaN.
int64_t saturate(core::DType dtype, double value);

inline void store_small_float(core::DType dtype, std::byte* base, size_t i, double value, bool in_range) {
  const uint8_t bits = core::double_to_small_float(dtype, value, in_range);
  if (core::dtype_bits(dtype) == 8) {
    base[i] = std::byte(bits);
  } else {
    core::store_packed(base, core::dtype_bits(dtype), i, bits);
  }
}

}  // namespace vulcap::ops
