#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(push_constant) uniform Push { RoiAlignParams p; };
READONLY(0, STORE, source);
READONLY(1, STORE, regions);
READONLY(2, uvec2, batches);
BUFFER(3, STORE, target);

float corners(uint plane, float y, float x, bool largest) {
  if (y < -1.0 || y > float(p.in_h) || x < -1.0 || x > float(p.in_w)) return 0.0;
  y = min(max(y, 0.0), float(p.in_h - 1));
  x = min(max(x, 0.0), float(p.in_w - 1));
  uint top = uint(y), left = uint(x);
  float down = y - float(top), right = x - float(left);
  float sum = 0.0, most = 0.0;
  for (uint i = 0; i < 4; ++i) {
    uint h = min(top + i / 2, p.in_h - 1), w = min(left + i % 2, p.in_w - 1);
    float value = (i / 2 == 1 ? down : 1.0 - down) * (i % 2 == 1 ? right : 1.0 - right) *
                  float(source.data[(plane * p.in_h + h) * p.in_w + w]);
    sum += value;
    most = i == 0 ? value : max(most, value);
  }
  return largest ? most : sum;
}

void main() {
  uint i = flat_index();
  if (i >= p.regions * p.channels * p.out_h * p.out_w) return;
  uint w = i % p.out_w, h = i / p.out_w % p.out_h, c = i / p.out_w / p.out_h % p.channels;
  uint r = i / p.out_w / p.out_h / p.channels;
  bool largest = (p.flags & kRoiMax) != 0, half_pixel = (p.flags & kRoiHalfPixel) != 0;
  float side[4];
  for (uint k = 0; k < 4; ++k) side[k] = float(regions.data[r * 4 + k]) * p.scale - (half_pixel ? 0.5 : 0.0);
  vec2 size = vec2(side[2] - side[0], side[3] - side[1]);
  if (!half_pixel) size = max(size, vec2(1.0));
  vec2 cell = size / vec2(p.out_w, p.out_h);
  uvec2 samples = p.samples != 0 ? uvec2(p.samples) : uvec2(max(ceil(cell), vec2(0.0)));
  uint plane = min(batches.data[r].x, p.batch - 1) * p.channels + c;
  float result = 0.0;
  for (uint s = 0; s < samples.x * samples.y; ++s) {
    vec2 inside = (vec2(s % samples.x, s / samples.x) + 0.5) * cell / vec2(samples);
    vec2 at = vec2(side[0], side[1]) + vec2(w, h) * cell + inside;
    float value = corners(plane, at.y, at.x, largest);
    result = !largest ? result + value : s == 0 ? value : max(result, value);
  }
  if (!largest) result /= float(max(samples.x * samples.y, 1));
  target.data[i] = STORE(result);
}
