#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 bf16 f64 i32 i64 u32 u64
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(constant_id = 0) const uint kFlags = 0;
layout(push_constant) uniform Push { CumulativeParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);

void main() {
  uint line = flat_index();
  if (line >= p.outer * p.inner) return;
  const bool product = (kFlags & kCumulativeProduct) != 0;
  uint outer = line / p.inner;
  uint begin = outer * p.reduce * p.inner + (line - outer * p.inner);
  ARITH total = product ? ARITH(1) : ARITH(0);
  for (uint r = 0; r < p.reduce; ++r) {
    uint at = begin + ((kFlags & kCumulativeReverse) != 0 ? p.reduce - 1 - r : r) * p.inner;
    ARITH before = total;
    ARITH x = LOAD(source.data[at]);
    total = product ? total * x : total + x;
    target.data[at] = SAVE((kFlags & kCumulativeExclusive) != 0 ? before : total);
  }
}
