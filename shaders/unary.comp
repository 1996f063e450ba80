#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/math.glsl"

layout(constant_id = 0) const uint kOp = 0;
layout(push_constant) uniform Push { UnaryParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);

// The rows of elementwise.def mean functions that keep NaN.
#define min(a, b) vc_min(a, b)
#define max(a, b) vc_max(a, b)

float apply(float x) {
  switch (kOp) {
#define VULCAP_UNARY(index, name, expression) \
  case index:                                 \
    return expression;
#include "shaders/elementwise.def"
  }
  return x;
}

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  target.data[i] = STORE(apply(float(source.data[i])));
}
