#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/math.glsl"
#include "shaders/lib/workgroup.glsl"

layout(constant_id = 0) const uint kOp = 0;
// Whether the lanes of a workgroup share one output, or each has its own.
layout(constant_id = 1) const bool kShared = true;
layout(push_constant) uniform Push { ReduceParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);

float lanes_max(float x) { return kShared ? workgroup_max(x) : x; }

float lanes_combine(float x) {
  if (!kShared) return x;
  if (kOp == kReduceMax || kOp == kReduceMin) {
    // Subgroup operations may drop a NaN: added to a finite or infinite count it is kept.
    float nans = workgroup_add(isnan(x) ? x : 0.0);
    float result = kOp == kReduceMax ? workgroup_max(x) : workgroup_min(x);
    return isnan(nans) ? nans : result;
  }
  if (kOp == kReduceProd) return workgroup_mul(x);
  return workgroup_add(x);
}

float combine(float sum, float x, float largest) {
  switch (kOp) {
    case kReduceMax:
      return vc_max(sum, x);
    case kReduceMin:
      return vc_min(sum, x);
    case kReduceProd:
      return sum * x;
    case kReduceL1:
      return sum + abs(x);
    case kReduceL2:
    case kReduceSumSquare:
      return sum + x * x;
    case kReduceLogSumExp:
      return sum + exp(x - largest);
    default:
      return sum + x;
  }
}

float finish(float sum, float largest) {
  switch (kOp) {
    case kReduceMean:
      return sum / float(p.reduce);
    case kReduceL2:
      return sqrt(sum);
    case kReduceLogSum:
      return log(sum);
    case kReduceLogSumExp:
      return log(sum) + largest;
    default:
      return sum;
  }
}

void main() {
  uint output_index = kShared ? flat_group() : flat_group() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
  if (output_index >= p.outer * p.inner) return;
  uint outer = output_index / p.inner;
  uint begin = outer * p.reduce * p.inner + (output_index - outer * p.inner);
  uint first = kShared ? gl_LocalInvocationID.x : 0;
  uint step = kShared ? gl_WorkGroupSize.x : 1;
  float largest = 0.0;
  if (kOp == kReduceLogSumExp) {
    largest = -VC_INFINITY;
    for (uint r = first; r < p.reduce; r += step)
      largest = max(largest, float(source.data[begin + r * p.inner]));
    largest = lanes_max(largest);
    if (isinf(largest)) largest = 0.0;
  }
  float sum = kOp == kReduceMax    ? -VC_INFINITY
              : kOp == kReduceMin  ? VC_INFINITY
              : kOp == kReduceProd ? 1.0
                                   : 0.0;
  for (uint r = first; r < p.reduce; r += step)
    sum = combine(sum, float(source.data[begin + r * p.inner]), largest);
  sum = lanes_combine(sum);
  if (kShared && gl_LocalInvocationID.x != 0) return;
  target.data[output_index] = STORE(finish(sum, largest));
}
