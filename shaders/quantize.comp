#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/lib/quantised.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(constant_id = 0) const uint kBits = 8;  // of a result: 2, 4, 8 or 16
layout(constant_id = 1) const bool kSigned = false;
layout(constant_id = 2) const bool kZero = false;
layout(constant_id = 3) const bool kHalfScale = false;
layout(constant_id = 4) const bool kOneScale = true;
layout(constant_id = 5) const uint kFormat = kInteger;
layout(push_constant) uniform Push { QuantizeParams p; };
READONLY(0, STORE, source);
READONLY(1, float, scales);
READONLY(1, float16_t, half_scales);
READONLY(2, uint8_t, zero_bytes);
READONLY(2, uint16_t, zero_shorts);
BUFFER(3, uint8_t, target_bytes);
BUFFER(3, uint16_t, target_shorts);

uint scale_index(uint i) {
  if (kOneScale) return 0u;
  uint row = i / p.inner, outer = row / p.axis;
  return outer * p.outer_stride + (row - outer * p.axis) / p.block * p.axis_stride +
         (i - row * p.inner) * p.inner_stride;
}

uint quantized(uint i) {
  uint at = scale_index(i);
  float scale = kHalfScale ? float(half_scales.data[at]) : scales.data[at];
  float x = float(source.data[i]) / scale;
  if (kFormat != kInteger) {
    if (kZero) x += small_float_value(PACKED_NUMBER(zero_bytes, kBits, at), kFormat, kBits);
    return small_float_bits(x, kFormat, kBits);
  }
  x = roundEven(x);
  if (kZero) {
    uint raw = kBits == 16u ? uint(zero_shorts.data[at]) : PACKED_NUMBER(zero_bytes, kBits, at);
    x += kSigned ? float(vc_signed(raw, kBits)) : float(raw);
  }
  float high = exp2(float(kSigned ? kBits - 1u : kBits)) - 1.0, low = kSigned ? -high - 1.0 : 0.0;
  return isnan(x) ? 0u : uint(int(clamp(x, low, high))) & ((1u << kBits) - 1u);
}

// An invocation makes one number, or all numbers of a byte.
void main() {
  uint item = flat_index();
  if (kBits == 16u) {
    if (item < p.n) target_shorts.data[item] = uint16_t(quantized(item));
    return;
  }
  uint each = 8u / kBits;
  if (item * each >= p.n) return;
  uint word = 0;
  for (uint j = 0; j < each && item * each + j < p.n; ++j) word |= quantized(item * each + j) << (j * kBits);
  target_bytes.data[item] = uint8_t(word);
}
