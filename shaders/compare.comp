#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64
#define BOOL_STORAGE
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/axes.glsl"

layout(constant_id = 0) const uint kOp = 0;
layout(push_constant) uniform Push { BinaryParams p; };
READONLY(0, STORE, left);
READONLY(1, STORE, right);
BUFFER(2, uint8_t, target);

bool apply(ARITH a, ARITH b) {
  switch (kOp) {
#define VULCAP_COMPARE(index, name, expression) \
  case index:                                   \
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
  target.data[i] = uint8_t(apply(LOAD(left.data[a_at]), LOAD(right.data[b_at])) ? 1u : 0u);
}
