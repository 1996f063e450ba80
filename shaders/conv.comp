#version 460
#extension GL_GOOGLE_include_directive : require
// One invocation an output of a convolution in groups: the sum over its window.
//! S = f32 f16
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/math.glsl"
#include "shaders/lib/storage.glsl"

layout(constant_id = 0) const uint kFlags = 0;
layout(constant_id = 1) const uint kAct = 0;
// Sizes of the kernel, so that its loops can be unrolled.
layout(constant_id = 2) const uint kHeight = 1;
layout(constant_id = 3) const uint kWidth = 1;
layout(push_constant) uniform Push { ConvParams p; };
READONLY(0, STORE, source);
READONLY(1, STORE, weight);
READONLY(2, STORE, bias);
BUFFER(3, STORE, target);
#include "shaders/lib/windows.glsl"

float window_sum(uint image, uint filter_index, ivec3 start) {
  float sum = 0.0;
  ivec3 step = window_dilation(), size = image_size();
  for (uint d = 0; d < p.kernel[0]; ++d) {
    for (uint i = 0; i < kHeight; ++i) {
      ivec3 at = start + ivec3(d, i, 0) * step;
      if (at.x < 0 || at.x >= size.x || at.y < 0 || at.y >= size.y) continue;
      uint line = image + (uint(at.x) * p.in_shape[1] + uint(at.y)) * p.in_shape[2];
      uint taps = filter_index + (d * kHeight + i) * kWidth;
      for (uint j = 0; j < kWidth; ++j, at.z += step.z) {
        if (at.z >= 0 && at.z < size.z)
          sum += float(source.data[line + uint(at.z)]) * float(weight.data[taps + j]);
      }
    }
  }
  return sum;
}

void main() {
  uint item = flat_index();
  uint positions = volume(p.out_shape), outputs = p.groups * p.out_channels;
  uint row = item / positions, position = item - row * positions;
  uint batch = row / outputs, o = row - batch * outputs;
  if (batch >= p.batch) return;
  ivec3 start = window_start(position);
  uint first = (batch * p.groups + o / p.out_channels) * p.in_channels;
  uint taps = volume(p.kernel), pixels = volume(p.in_shape);
  float sum = 0.0;
  for (uint c = 0; c < p.in_channels; ++c)
    sum += window_sum((first + c) * pixels, (o * p.in_channels + c) * taps, start);
  if ((kFlags & kConvBias) != 0) sum += float(bias.data[o]);
  target.data[item] = STORE(vc_activation(kAct, sum));
}
