#version 460
#extension GL_GOOGLE_include_directive : require
//! E = b1 b2 b4 b8
#define BOOL_STORAGE
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/axes.glsl"

layout(push_constant) uniform Push { WhereParams p; };
READONLY(0, uint8_t, condition);
READONLY(1, ELEMENT, left);
READONLY(2, ELEMENT, right);
BUFFER(3, ELEMENT, target);

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  uint c_at = 0, a_at = 0, b_at = 0;
#define VISIT(axis, index)          \
  c_at += index * p.c_stride[axis]; \
  a_at += index * p.a_stride[axis]; \
  b_at += index * p.b_stride[axis];
  FOR_EACH_AXIS(i, p.shape, VISIT)
  if (uint(condition.data[c_at]) != 0u) {
    target.data[i] = left.data[a_at];
  } else {
    target.data[i] = right.data[b_at];
  }
}
