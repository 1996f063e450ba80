// Floats of 8 and 4 bits, converted as ONNX Cast-25 says: kF8E4M3FN, kF8E4M3FNUZ, kF8E5M2, kF8E5M2FNUZ,
// kF8E8M0 and kF4E2M1 (in the low four bits).
#pragma once

#include <cstdint>

#include "runtime/core/dtype.h"

namespace vulcap::core {

enum class E8M0Rounding : uint8_t { kUp, kDown, kNearest };

bool dtype_is_small_float(DType dtype);

double small_float_to_double(DType dtype, uint8_t bits);

// Rounds to nearest even, once. What is out of range becomes the largest number when `saturate`, else
// infinity or NaN; kF4E2M1 always saturates and turns NaN into -0. `rounding` applies to kF8E8M0 alone, which
// drops the sign.
uint8_t double_to_small_float(DType dtype, double value, bool saturate = true,
                              E8M0Rounding rounding = E8M0Rounding::kUp);

}  // namespace vulcap::core
