#version 460
#extension GL_GOOGLE_include_directive : require
//! S = bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#if defined(S_f64)
#include "shaders/lib/double.glsl"
#endif

// One invocation an output, in the elements' own arithmetic: for types that subgroups do not add up.
layout(constant_id = 0) const uint kOp = 0;
layout(push_constant) uniform Push { ReduceParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);

ARITH combine(ARITH sum, ARITH x, ARITH largest) {
  switch (kOp) {
#if defined(INTEGER_ARITH)
    case kReduceMax:
      return x > sum ? x : sum;
    case kReduceMin:
      return x < sum ? x : sum;
#else
    case kReduceMax:
      return isnan(sum) || sum > x ? sum : x;
    case kReduceMin:
      return isnan(sum) || sum < x ? sum : x;
    case kReduceLogSumExp:
      return sum + exp(x - largest);
#endif
    case kReduceProd:
      return sum * x;
#if !defined(INTEGER_ARITH) || defined(SIGNED_ARITH)
    case kReduceL1:
      return sum + abs(x);
#endif
    case kReduceL2:
    case kReduceSumSquare:
      return sum + x * x;
    default:
      return sum + x;
  }
}

ARITH finish(ARITH sum, ARITH largest) {
  switch (kOp) {
    case kReduceMean:
      return sum / ARITH(p.reduce);
#if !defined(INTEGER_ARITH)
    case kReduceL2:
      return sqrt(sum);
    case kReduceLogSum:
      return log(sum);
    case kReduceLogSumExp:
      return log(sum) + largest;
#endif
    default:
      return sum;
  }
}

ARITH start_value(uint begin) {
  if (kOp == kReduceProd) return ARITH(1);
  if (kOp != kReduceMax && kOp != kReduceMin) return ARITH(0);
#if defined(INTEGER_ARITH)
  return LOAD(source.data[begin]);
#else
  return ARITH(kOp == kReduceMax ? -VC_INFINITY : VC_INFINITY);
#endif
}

void main() {
  uint i = flat_index();
  if (i >= p.outer * p.inner) return;
  uint outer = i / p.inner;
  uint begin = outer * p.reduce * p.inner + (i - outer * p.inner);
  ARITH largest = ARITH(0);
#if !defined(INTEGER_ARITH)
  if (kOp == kReduceLogSumExp) {
    bool any = false;
    for (uint r = 0; r < p.reduce; ++r) {
      ARITH x = LOAD(source.data[begin + r * p.inner]);
      if (isnan(x) || isinf(x) || (any && x <= largest)) continue;
      largest = x;
      any = true;
    }
  }
#endif
  ARITH sum = start_value(begin);
  for (uint r = 0; r < p.reduce; ++r) sum = combine(sum, LOAD(source.data[begin + r * p.inner]), largest);
  target.data[i] = SAVE(finish(sum, largest));
}
