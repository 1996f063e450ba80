// Elements as floats for kernels that the compiler vectorises by itself.
#pragma once

#include <cstdint>

#include "runtime/core/half.h"

namespace vulcap::cpu {

struct Half {
  uint16_t bits;
};

inline float to_float(float x) { return x; }
inline float to_float(Half x) { return core::half_to_float(x.bits); }
inline float to_float(uint8_t x) { return float(x); }
inline float to_float(int8_t x) { return float(x); }

template <typename T>
T from_float(float x) {
  return T(x);
}
template <>
inline Half from_float<Half>(float x) {
  return {core::float_to_half(x)};
}

}  // namespace vulcap::cpu
