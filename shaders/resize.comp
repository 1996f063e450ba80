#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/storage.glsl"

layout(push_constant) uniform Push { ResizeParams p; };
READONLY(0, STORE, source);
READONLY(1, uint, index);
READONLY(2, float, weight);
BUFFER(3, STORE, target);

void main() {
  uint item = flat_index();
  uint row = item / p.inner, i = item - row * p.inner;
  uint outer = row / p.out_size, j = row - outer * p.out_size;
  if (outer >= p.outer) return;
  float sum = weight.data[j * (p.taps + 1) + p.taps];
  for (uint t = 0; t < p.taps; ++t) {
    uint at = (outer * p.in_size + index.data[j * p.taps + t]) * p.inner + i;
    sum += weight.data[j * (p.taps + 1) + t] * float(source.data[at]);
  }
  target.data[item] = STORE(sum);
}
