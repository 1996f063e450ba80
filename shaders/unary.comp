#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(constant_id = 0) const uint kOp = 0;
layout(push_constant) uniform Push { UnaryParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);

#if defined(INTEGER_ARITH)
#include "shaders/lib/integer.glsl"
#define VULCAP_INTEGER(index, name, expression) \
  case index:                                   \
    return expression;
#else
#include "shaders/lib/real.glsl"
// The rows of elementwise.def mean functions that keep NaN.
#define min(a, b) vc_min(a, b)
#define max(a, b) vc_max(a, b)
#define VULCAP_UNARY(index, name, expression) \
  case index:                                 \
    return expression;
#endif

ARITH apply(ARITH x) {
  switch (kOp) {
#include "shaders/elementwise.def"
  }
  return x;
}

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  target.data[i] = SAVE(apply(LOAD(source.data[i])));
}
