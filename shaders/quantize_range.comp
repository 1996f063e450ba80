#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#define S_f32
#include "shaders/lib/storage.glsl"
#include "shaders/lib/quantised.glsl"
#include "shaders/abi.h"

layout(local_size_x_id = 10) in;  // one subgroup
layout(push_constant) uniform Push { QuantizeRangeParams p; };
READONLY(0, float, lows);
READONLY(1, float, highs);
BUFFER(2, float, scales);
BUFFER(3, uint8_t, zeros);

void main() {
  float low = 0.0, high = 0.0;
  for (uint i = gl_LocalInvocationID.x; i < p.n; i += gl_WorkGroupSize.x) {
    low = min(low, lows.data[i]);
    high = max(high, highs.data[i]);
  }
  low = subgroupMin(low);
  high = subgroupMax(high);
  if (gl_LocalInvocationID.x != 0) return;
  float scale = low == high ? 1.0 : (high - low) / 255.0;
  scales.data[0] = scale;
  zeros.data[0] = uint8_t(uint(roundEven(clamp(0.0 - low / scale, 0.0, 255.0))));
}
