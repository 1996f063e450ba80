#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(push_constant) uniform Push { GridSampleParams p; };
READONLY(0, STORE, source);
READONLY(1, STORE, grid);
BUFFER(2, STORE, target);

int tap_at[3][4];  // -1: outside, it counts as 0
float tap_weight[3][4];

float reflected(float x, float low, float high) {
  float range = high - low;
  if (range <= 0.0) return low;
  float distance = x < low ? low - x : x > high ? x - high : -1.0;
  if (distance < 0.0) return x;
  float turns = floor(distance / range);
  float rest = distance - turns * range;
  bool even = turns - 2.0 * floor(turns / 2.0) == 0.0;
  return even == (x < low) ? low + rest : high - rest;
}

float cubic(float t) {
  const float a = -0.75;
  t = abs(t);
  if (t <= 1.0) return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
  return t < 2.0 ? ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a : 0.0;
}

uint taps() { return p.mode == kSampleNearest ? 1 : p.mode == kSampleLinear ? 2 : 4; }

void find_taps(uint axis, float coordinate) {
  float n = float(p.in_size[axis]);
  float low = p.align != 0 ? 0.0 : -0.5, high = p.align != 0 ? n - 1.0 : n - 0.5;
  float x = p.align != 0 ? (coordinate + 1.0) / 2.0 * (n - 1.0) : ((coordinate + 1.0) * n - 1.0) / 2.0;
  if (p.mode == kSampleNearest) x = roundEven(x);
  if (p.padding == kSampleBorder && p.mode != kSampleCubic) x = clamp(x, 0.0, n - 1.0);
  if (p.padding == kSampleReflection) x = reflected(x, low, high);
  uint count = taps();
  float first = (p.mode == kSampleNearest ? x : floor(x)) - (count == 4 ? 1.0 : 0.0);
  for (uint i = 0; i < count; ++i) {
    float at = first + float(i);
    tap_weight[axis][i] = count == 1 ? 1.0 : count == 2 ? 1.0 - abs(x - at) : cubic(x - at);
    float place = at;
    if (p.padding == kSampleBorder) place = clamp(at, 0.0, n - 1.0);
    if (p.padding == kSampleReflection) place = reflected(at, low, high);
    tap_at[axis][i] = place >= 0.0 && place < n ? int(place) : -1;
  }
}

void main() {
  uint places = p.out_size[0] * p.out_size[1] * p.out_size[2];
  uint i = flat_index();
  if (i >= p.batch * p.channels * places) return;
  uint plane = i / places;
  uint item = plane / p.channels * places + (i - plane * places);
  tap_at[0][0] = 0;
  tap_weight[0][0] = 1.0;
  for (uint k = 0; k < p.axes; ++k) find_taps(2 - k, float(grid.data[item * p.axes + k]));
  uint count = taps(), depth = p.axes == 3 ? count : 1;
  float sum = 0.0;
  for (uint z = 0; z < depth; ++z) {
    for (uint y = 0; y < count; ++y) {
      for (uint x = 0; x < count; ++x) {
        int az = tap_at[0][z], ay = tap_at[1][y], ax = tap_at[2][x];
        if (az < 0 || ay < 0 || ax < 0) continue;
        uint at = ((plane * p.in_size[0] + uint(az)) * p.in_size[1] + uint(ay)) * p.in_size[2] + uint(ax);
        sum += tap_weight[0][z] * tap_weight[1][y] * tap_weight[2][x] * float(source.data[at]);
      }
    }
  }
  target.data[i] = STORE(sum);
}
