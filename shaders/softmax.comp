#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/workgroup.glsl"

layout(push_constant) uniform Push { SoftmaxParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);

void main() {
  uint row = flat_group();
  if (row >= p.rows) return;
  uint begin = row * p.cols;
  uint lane = gl_LocalInvocationID.x;
  float largest = -VC_INFINITY;
  for (uint i = lane; i < p.cols; i += gl_WorkGroupSize.x)
    largest = max(largest, float(source.data[begin + i]));
  largest = workgroup_max(largest);
  float sum = 0.0;
  for (uint i = lane; i < p.cols; i += gl_WorkGroupSize.x)
    sum += exp(float(source.data[begin + i]) - largest);
  sum = workgroup_add(sum);
  float scale = 1.0 / sum, shift = largest + log(sum);
  for (uint i = lane; i < p.cols; i += gl_WorkGroupSize.x) {
    float x = float(source.data[begin + i]);
    target.data[begin + i] = STORE(p.log_output != 0 ? x - shift : exp(x - largest) * scale);
  }
}
