#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 u8
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/storage.glsl"

layout(push_constant) uniform Push { Im2colParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);
#include "shaders/lib/windows.glsl"

void main() {
  uint item = flat_index();
  uint taps = volume(p.kernel), columns = p.channels * taps, positions = volume(p.out_shape);
  uint row = item / columns, column = item - row * columns;
  uint batch = row / positions;
  if (batch >= p.batch) return;
  uint channel = column / taps;
  ivec3 at = window_start(row - batch * positions) +
             split_index(p.kernel, column - channel * taps) * window_dilation();
  bool inside = in_image(at);
  uint plane = batch * p.channel_stride + p.channel_begin + channel;
  uint from = inside ? plane * volume(p.in_shape) + pixel_index(at) : 0;
  target.data[item] = STORE(inside ? ARITH(source.data[from]) : ARITH(0));
}
