#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/storage.glsl"

layout(push_constant) uniform Push { DeformParams p; };
READONLY(0, STORE, source);
READONLY(1, STORE, offset);
READONLY(2, STORE, mask);
BUFFER(3, STORE, target);

float pixel(uint plane, int h, int w) {
  if (h < 0 || w < 0 || h >= int(p.in_shape[0]) || w >= int(p.in_shape[1])) return 0.0;
  return float(source.data[(plane * p.in_shape[0] + uint(h)) * p.in_shape[1] + uint(w)]);
}

float bilinear(uint plane, vec2 at) {
  ivec2 corner = ivec2(floor(at));
  vec2 f = at - floor(at);
  float top = mix(pixel(plane, corner.x, corner.y), pixel(plane, corner.x, corner.y + 1), f.y);
  float bottom = mix(pixel(plane, corner.x + 1, corner.y), pixel(plane, corner.x + 1, corner.y + 1), f.y);
  return mix(top, bottom, f.x);
}

void main() {
  uint item = flat_index();
  uint positions = p.out_shape[0] * p.out_shape[1], taps = p.kernel[0] * p.kernel[1];
  uint column = item / positions, position = item - column * positions;
  uint plane = column / taps, tap = column - plane * taps;
  uint batch = plane / p.channels, channel = plane - batch * p.channels;
  if (batch >= p.batch) return;
  uint group = (batch * p.offset_groups + channel * p.offset_groups / p.channels) * taps + tap;
  uint line = position / p.out_shape[1], tap_line = tap / p.kernel[1];
  vec2 at = vec2(
      int(line * p.stride[0] + tap_line * p.dilation[0]) - p.pad[0],
      int((position - line * p.out_shape[1]) * p.stride[1] + (tap - tap_line * p.kernel[1]) * p.dilation[1]) -
          p.pad[1]);
  at += vec2(float(offset.data[group * 2 * positions + position]),
             float(offset.data[(group * 2 + 1) * positions + position]));
  float value = bilinear(plane, at);
  if (p.masked != 0) value *= float(mask.data[group * positions + position]);
  target.data[item] = STORE(value);
}
