#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 i32 i64 u8
#define ANY_STORAGE
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

// Destinations; the values are those of the executor's table of casts.
const uint kToF32 = 0, kToF16 = 1, kToI32 = 2, kToI64 = 3, kToBool = 4, kToU8 = 5;
layout(constant_id = 0) const uint kTo = kToF32;
layout(push_constant) uniform Push { CastParams p; };
READONLY(0, STORE, source);
BUFFER(1, float, as_f32);
BUFFER(1, float16_t, as_f16);
BUFFER(1, int, as_i32);
BUFFER(1, int64_t, as_i64);
BUFFER(1, uint8_t, as_u8);

// Truncation towards zero, the nearest end for what is out of range, 0 for NaN.
#if defined(S_f32) || defined(S_f16)
int to_i32(float x) {
  if (isnan(x)) return 0;
  return x >= 2147483648.0 ? 2147483647 : x <= -2147483648.0 ? -2147483647 - 1 : int(x);
}
int64_t to_i64(float x) {
  if (isnan(x)) return 0l;
  return x >= 9223372036854775808.0    ? 9223372036854775807l
         : x <= -9223372036854775808.0 ? -9223372036854775807l - 1l
                                       : int64_t(x);
}
uint to_u8(float x) { return isnan(x) ? 0u : uint(clamp(x, 0.0, 255.0)); }
#else
int to_i32(ARITH x) { return int(x); }
int64_t to_i64(ARITH x) { return int64_t(x); }
uint to_u8(ARITH x) { return uint(int(x)) & 255u; }
#endif

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  ARITH x = ARITH(source.data[i]);
  switch (kTo) {
    case kToF32:
      as_f32.data[i] = float(x);
      break;
    case kToF16:
      as_f16.data[i] = float16_t(float(x));
      break;
    case kToI32:
      as_i32.data[i] = to_i32(x);
      break;
    case kToI64:
      as_i64.data[i] = to_i64(x);
      break;
    case kToBool:
      as_u8.data[i] = uint8_t(x != ARITH(0) ? 1u : 0u);
      break;
    case kToU8:
      as_u8.data[i] = uint8_t(to_u8(x));
      break;
  }
}
