#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/abi.h"
#include "shaders/lib/storage.glsl"
#include "shaders/lib/workgroup.glsl"

layout(constant_id = 0) const uint kFlags = 0;
layout(push_constant) uniform Push { LayerNormParams p; };
READONLY(0, STORE, source);
READONLY(1, STORE, skip);
READONLY(2, STORE, scale);
READONLY(3, STORE, bias);
BUFFER(4, STORE, target);
BUFFER(5, STORE, sum);
BUFFER(6, float, means);
BUFFER(7, float, inverses);

float value_at(uint at) {
  float x = float(source.data[at]);
  if ((kFlags & kNormSkip) != 0) x += float(skip.data[at]);
  return x;
}

void main() {
  uint row = flat_group();
  if (row >= p.rows) return;
  uint begin = row * p.cols;
  uint lane = gl_LocalInvocationID.x;
  bool given = (kFlags & kNormGiven) != 0;
  float mean = 0.0, variance = 0.0;
  if (given) {
    mean = means.data[row % p.period];
    variance = inverses.data[row % p.period];
  } else {
    if ((kFlags & kNormRms) == 0) {
      for (uint i = lane; i < p.cols; i += gl_WorkGroupSize.x) mean += value_at(begin + i);
      mean = workgroup_add(mean) / float(p.cols);
    }
    for (uint i = lane; i < p.cols; i += gl_WorkGroupSize.x) {
      float d = value_at(begin + i) - mean;
      variance += d * d;
    }
    variance = workgroup_add(variance) / float(p.cols);
  }
  float inverse = 1.0 / sqrt(variance + p.epsilon);
  bool by_row = (kFlags & kNormRowScale) != 0;
  uint first = by_row ? row % p.period * p.step : 0;
  for (uint i = lane; i < p.cols; i += gl_WorkGroupSize.x) {
    float x = value_at(begin + i);
    uint at = by_row ? first + i / p.inner : i;
    float y = (x - mean) * inverse;
    if ((kFlags & kNormNoScale) == 0) y *= float(scale.data[at]);
    if ((kFlags & kNormBias) != 0) y += float(bias.data[at]);
    if ((kFlags & kNormSum) != 0) sum.data[begin + i] = STORE(x);
    target.data[begin + i] = STORE(y);
  }
  if ((kFlags & kNormMoments) == 0 || lane != 0) return;
  means.data[row] = mean;
  inverses.data[row] = inverse;
}
