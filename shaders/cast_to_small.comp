#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 bf16 i8 i16 i32 i64 u8 u16 u32 u64
#define BOOL_STORAGE
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/small.glsl"

layout(constant_id = 0) const uint kFlags = 0;
layout(push_constant) uniform Push { CastParams p; };
READONLY(0, STORE, source);
BUFFER(1, uint8_t, target);

const bool kSaturate = (kFlags & kCastNoSaturate) == 0u;
const bool kUp = (kFlags & (kCastRoundDown | kCastRoundNearest)) == 0u;
const bool kNearest = (kFlags & kCastRoundNearest) != 0u;

uint power_of_two(uint bits) {
  uint exponent = bits >> 23 & 0xffu;
  uint fraction = bits & 0x7fffffu;
  if (exponent == 255u) return fraction == 0u && kSaturate ? 254u : 255u;
  if (exponent == 0u) {  // below 2^-126; the least power is 2^-127
    if (fraction < 0x400000u) return kSaturate ? 0u : 255u;
    fraction = (fraction & 0x3fffffu) << 1;
  }
  if (kUp ? fraction > 0u : kNearest && fraction >= 0x400000u) ++exponent;
  return exponent < 255u ? exponent : kSaturate ? 254u : 255u;
}

// Rounded to nearest even: below the least normal number in units of the last place, else by dropping bits of the float.
uint rounded(float magnitude) {
  float least_normal = uintBitsToFloat(uint(128 - kBias) << 23);
  if (magnitude < least_normal)
    return uint(roundEven(magnitude * uintBitsToFloat(uint(126 + kBias + kMantissa) << 23)));
  uint bits = floatBitsToUint(magnitude);
  int dropped = 23 - kMantissa;
  bits += (1u << (dropped - 1)) - 1u + (bits >> dropped & 1u);
  return (bits >> dropped) - (uint(127 - kBias) << kMantissa);
}

uint real(float x) {
  uint sign = floatBitsToUint(x) >> 31 << (kBits - 1u);
  if (isnan(x)) return kFormat == kF4E2M1 ? kSign : kNan | sign;
  uint bits = isinf(x) ? kMask + kMask : rounded(abs(x));
  if (bits > kLargest) bits = kSaturate || kFormat == kF4E2M1 ? kLargest : kFormat == kF8E5M2 ? 0x7cu : kNan;
  return bits == 0u && kUnsignedZero ? 0u : bits | sign;
}

uint encode(ARITH x) {
  if (kPackedInteger) {
#if defined(INTEGER_ARITH)
    return uint(x) & kMask;
#else
    float magnitude = trunc(abs(x));
    if (abs(x) - magnitude >= 0.5) magnitude += 1.0;
    if (!(magnitude < 2147483648.0)) return isnan(x) || x < 0.0 ? 0u : kMask;
    return uint(x < 0.0 ? -int(magnitude) : int(magnitude)) & kMask;
#endif
  }
  return kFormat == kF8E8M0 ? power_of_two(floatBitsToUint(float(x))) : real(float(x));
}

// One invocation a byte.
void main() {
  uint at = flat_index() * kPerByte;
  if (at >= p.n) return;
  uint packed = 0u;
  for (uint i = 0; i < kPerByte && at + i < p.n; ++i)
    packed |= (encode(LOAD(source.data[at + i])) & kMask) << (i * kBits);
  target.data[at / kPerByte] = uint8_t(packed);
}
