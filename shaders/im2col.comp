#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 u8
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(push_constant) uniform Push { Im2colParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);

void main() {
  uint item = flat_index();
  uint patch_size = p.channels * p.kernel_h * p.kernel_w;
  uint position = item / patch_size;
  uint rest = item - position * patch_size;
  uint out_w = position % p.out_w;
  uint out_h = position / p.out_w % p.out_h;
  uint batch = position / (p.out_w * p.out_h);
  if (batch >= p.batch) return;
  uint j = rest % p.kernel_w;
  uint i = rest / p.kernel_w % p.kernel_h;
  uint channel = p.channel_begin + rest / (p.kernel_w * p.kernel_h);
  int y = int(out_h * p.stride_h + i * p.dilation_h) - int(p.pad_top);
  int x = int(out_w * p.stride_w + j * p.dilation_w) - int(p.pad_left);
  bool inside = y >= 0 && x >= 0 && y < int(p.in_h) && x < int(p.in_w);
  uint at = ((batch * p.channel_stride + channel) * p.in_h + uint(y)) * p.in_w + uint(x);
  target.data[item] = STORE(inside ? ARITH(source.data[at]) : ARITH(0));
}
