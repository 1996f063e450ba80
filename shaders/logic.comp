#version 460
#extension GL_GOOGLE_include_directive : require
#define BOOL_STORAGE
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/axes.glsl"

layout(constant_id = 0) const uint kOp = 0;
layout(push_constant) uniform Push { BinaryParams p; };
READONLY(0, uint8_t, left);
READONLY(1, uint8_t, right);
BUFFER(2, uint8_t, target);

bool apply(bool a, bool b) {
  switch (kOp) {
#define VULCAP_LOGIC(index, name, expression) \
  case index:                                 \
    return expression;
#include "shaders/elementwise.def"
  }
  return false;
}

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  uint a_at = 0, b_at = 0;
#define VISIT(axis, index)          \
  a_at += index * p.a_stride[axis]; \
  b_at += index * p.b_stride[axis];
  FOR_EACH_AXIS(i, p.shape, VISIT)
  bool result = apply(uint(left.data[a_at]) != 0u, uint(right.data[b_at]) != 0u);
  target.data[i] = uint8_t(result ? 1u : 0u);
}
