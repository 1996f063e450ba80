#version 460
#extension GL_GOOGLE_include_directive : require
//! F = real integer
#define ANY_STORAGE
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/small.glsl"

#if defined(F_integer)
#define INTEGER_ARITH
#define ARITH int
#else
#define ARITH float
#endif
layout(push_constant) uniform Push { CastParams p; };
READONLY(0, uint8_t, source);
#include "shaders/lib/cast.glsl"

#if defined(F_integer)
int decode(uint bits) { return int(bits) - (kSignedInteger && (bits & kSign) != 0u ? int(kMask) + 1 : 0); }
#else
float power_of_two(uint bits) { return uintBitsToFloat(bits == 255u ? 0x7fc00000u : bits == 0u ? 0x400000u : bits << 23); }

float real(uint bits) {
  uint magnitude = bits & (kSign - 1u);
  if (kUnsignedZero && bits == kNan) return uintBitsToFloat(0x7fc00000u);
  if (magnitude > kLargest)
    return uintBitsToFloat((magnitude == 0x7cu && kFormat == kF8E5M2 ? 0x7f800000u : 0x7fc00000u) | (bits & kSign) << 24);
  int exponent = max(int(magnitude >> kMantissa), 1);
  float units = float(int(magnitude) - ((exponent - 1) << kMantissa));
  float value = units * uintBitsToFloat(uint(exponent - kBias - kMantissa + 127) << 23);
  return (bits & kSign) != 0u ? -value : value;
}

float decode(uint bits) { return kFormat == kF8E8M0 ? power_of_two(bits) : real(bits); }
#endif

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  uint packed = uint(source.data[i / kPerByte]);
  store(i, decode((packed >> (i % kPerByte * kBits)) & kMask));
}
