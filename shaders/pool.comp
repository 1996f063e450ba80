#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 u8 i8
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/storage.glsl"

layout(constant_id = 0) const uint kOp = 0;
layout(constant_id = 1) const uint kFlags = 0;
layout(push_constant) uniform Push { PoolParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);
BUFFER(2, uvec2, indices);
#include "shaders/lib/windows.glsl"

bool in_padding(ivec3 at) {
  return all(lessThan(at, image_size() + ivec3(p.pad_end[0], p.pad_end[1], p.pad_end[2])));
}

#if defined(S_f32) || defined(S_f16)
#define LOWEST (-VC_INFINITY)
#elif defined(S_i8)
#define LOWEST (-128.0)
#else
#define LOWEST (0.0)
#endif

void main() {
  uint item = flat_index();
  uint positions = volume(p.out_shape), pixels = volume(p.in_shape), taps = volume(p.kernel);
  uint plane = item / positions;
  if (plane >= p.planes) return;
  ivec3 start = window_start(item - plane * positions), dilation = window_dilation(), best = start;
  float result = kOp == kPoolMax ? LOWEST : 0.0;
  uint count = 0;
  bool found = false;
  for (uint tap = 0; tap < taps; ++tap) {
    ivec3 at = start + split_index(p.kernel, tap) * dilation;
    if (!in_image(at)) {
      if ((kFlags & kPoolCountPads) != 0 && in_padding(at)) ++count;
      continue;
    }
    ++count;
    float x = float(ARITH(source.data[plane * pixels + pixel_index(at)]));
    if (kOp == kPoolMean) result += x;
    if (kOp == kPoolLp) result += p.power == 1.0 ? abs(x) : p.power == 2.0 ? x * x : pow(abs(x), p.power);
    if (kOp != kPoolMax || (found && !(x > result))) continue;
    found = true;
    result = x;
    best = at;
  }
  if (kOp == kPoolMean) result /= float(max(count, 1));
  if (kOp == kPoolLp)
    result = p.power == 1.0 ? result : p.power == 2.0 ? sqrt(result) : pow(result, 1.0 / p.power);
  target.data[item] = STORE(ARITH(result));
  if ((kFlags & kPoolIndices) == 0) return;
  bool columns = (kFlags & kPoolColumnMajor) != 0;
  uint inside = columns ? uint(best.x) + p.in_shape[0] * (uint(best.y) + p.in_shape[1] * uint(best.z))
                        : pixel_index(best);
  indices.data[item] = uvec2(plane * pixels + inside, 0);
}
