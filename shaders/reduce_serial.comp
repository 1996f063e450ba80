#version 460
#extension GL_GOOGLE_include_directive : require
//! S = i32 i64 u8
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

// One invocation an output, in the elements' own arithmetic: for types that subgroups do not add up.
layout(constant_id = 0) const uint kOp = 0;
layout(push_constant) uniform Push { ReduceParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);

ARITH combine(ARITH sum, ARITH x) {
  switch (kOp) {
    case kReduceMax:
      return x > sum ? x : sum;
    case kReduceMin:
      return x < sum ? x : sum;
    case kReduceProd:
      return sum * x;
#if !defined(S_u8)
    case kReduceL1:
      return sum + abs(x);
#endif
    case kReduceSumSquare:
      return sum + x * x;
    default:
      return sum + x;
  }
}

void main() {
  uint i = flat_index();
  if (i >= p.outer * p.inner || p.reduce == 0) return;
  uint outer = i / p.inner;
  uint begin = outer * p.reduce * p.inner + (i - outer * p.inner);
  bool starts = kOp == kReduceMax || kOp == kReduceMin;
  ARITH sum = starts ? ARITH(source.data[begin]) : ARITH(kOp == kReduceProd ? 1 : 0);
  for (uint r = 0; r < p.reduce; ++r) sum = combine(sum, ARITH(source.data[begin + r * p.inner]));
  if (kOp == kReduceMean) sum /= ARITH(p.reduce);
  target.data[i] = STORE(sum);
}
