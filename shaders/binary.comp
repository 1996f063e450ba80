#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/axes.glsl"

layout(constant_id = 0) const uint kOp = 0;
layout(push_constant) uniform Push { BinaryParams p; };
READONLY(0, STORE, left);
READONLY(1, STORE, right);
BUFFER(2, STORE, target);

#if defined(INTEGER_ARITH)
#include "shaders/lib/integer.glsl"
#define PICK(real, whole) whole
#else
#include "shaders/lib/real.glsl"
#define PICK(real, whole) real
#endif

ARITH apply(ARITH a, ARITH b) {
  switch (kOp) {
#define VULCAP_BINARY(index, name, real, whole) \
  case index:                                   \
    return PICK(real, whole);
#include "shaders/elementwise.def"
  }
  return a;
}

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  uint a_at = 0, b_at = 0;
#define VISIT(axis, index)          \
  a_at += index * p.a_stride[axis]; \
  b_at += index * p.b_stride[axis];
  FOR_EACH_AXIS(i, p.shape, VISIT)
  target.data[i] = SAVE(apply(LOAD(left.data[a_at]), LOAD(right.data[b_at])));
}
