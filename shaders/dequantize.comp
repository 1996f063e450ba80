#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/lib/quantised.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(constant_id = 0) const uint kBits = 8;  // of x: 2, 4, 8, 16 or 32
layout(constant_id = 1) const bool kSigned = false;
layout(constant_id = 2) const bool kZero = false;
layout(constant_id = 3) const bool kHalfScale = false;
layout(constant_id = 4) const bool kOneScale = true;
layout(constant_id = 5) const uint kFormat = kInteger;
layout(push_constant) uniform Push { QuantizeParams p; };
READONLY(0, uint8_t, bytes);
READONLY(0, uint16_t, shorts);
READONLY(0, int, words);
READONLY(1, float, scales);
READONLY(1, float16_t, half_scales);
READONLY(2, uint8_t, zero_bytes);
READONLY(2, uint16_t, zero_shorts);
READONLY(2, int, zero_words);
BUFFER(3, STORE, target);

uint scale_index(uint i) {
  if (kOneScale) return 0u;
  uint row = i / p.inner, outer = row / p.axis;
  return outer * p.outer_stride + (row - outer * p.axis) / p.block * p.axis_stride +
         (i - row * p.inner) * p.inner_stride;
}

int number(uint raw) { return kSigned ? vc_signed(raw, kBits) : int(raw); }

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  uint at = scale_index(i);
  float scale = kHalfScale ? float(half_scales.data[at]) : scales.data[at];
  if (kFormat != kInteger) {
    float value = small_float_value(PACKED_NUMBER(bytes, kBits, i), kFormat, kBits);
    if (kZero) value -= small_float_value(PACKED_NUMBER(zero_bytes, kBits, at), kFormat, kBits);
    target.data[i] = STORE(value * scale);
    return;
  }
  if (kBits == 32u) {  // a difference of words may not fit a word
    float value = float(words.data[i]);
    if (kZero) value -= float(zero_words.data[at]);
    target.data[i] = STORE(value * scale);
    return;
  }
  int x, zero = 0;
  if (kBits == 16u) {
    x = number(uint(shorts.data[i]));
    if (kZero) zero = number(uint(zero_shorts.data[at]));
  } else {
    x = number(PACKED_NUMBER(bytes, kBits, i));
    if (kZero) zero = number(PACKED_NUMBER(zero_bytes, kBits, at));
  }
  target.data[i] = STORE(float(x - zero) * scale);
}
