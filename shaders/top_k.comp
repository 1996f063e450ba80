#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"

// One workgroup a line; k rounds, each finds the best of what comes behind the one before.
layout(local_size_x_id = 10) in;
layout(constant_id = 0) const uint kFlags = 0;
layout(push_constant) uniform Push { TopKParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, values);
BUFFER(2, uvec2, places);

const uint kNone = 0xffffffffu;
shared ARITH lane_value[256];
shared uint lane_place[256];

#if !defined(INTEGER_ARITH)
bool larger(ARITH a, ARITH b) { return a > b || (isnan(a) && !isnan(b)); }
#else
bool larger(ARITH a, ARITH b) { return a > b; }
#endif

// Whether a at place i comes before b at place j.
bool before(ARITH a, uint i, ARITH b, uint j) {
  bool largest = (kFlags & kTopKLargest) != 0;
  if (largest ? larger(a, b) : larger(b, a)) return true;
  if (largest ? larger(b, a) : larger(a, b)) return false;
  return (kFlags & kTopKLast) != 0 ? i > j : i < j;
}

void main() {
  uint line = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
  if (line >= p.outer * p.inner) return;
  uint lane = gl_LocalInvocationID.x;
  uint outer = line / p.inner;
  uint inner = line - outer * p.inner;
  uint begin = outer * p.reduce * p.inner + inner;
  ARITH last_value = ARITH(0);
  uint last_place = kNone;
  for (uint k = 0; k < p.k; ++k) {
    ARITH best = ARITH(0);
    uint best_place = kNone;
    for (uint r = lane; r < p.reduce; r += gl_WorkGroupSize.x) {
      ARITH x = LOAD(source.data[begin + r * p.inner]);
      bool taken = last_place != kNone && !before(last_value, last_place, x, r);
      if (!taken && (best_place == kNone || before(x, r, best, best_place))) {
        best = x;
        best_place = r;
      }
    }
    lane_value[lane] = best;
    lane_place[lane] = best_place;
    barrier();
    for (uint i = 0; i < gl_WorkGroupSize.x; ++i) {
      uint place = lane_place[i];
      if (place != kNone && (best_place == kNone || before(lane_value[i], place, best, best_place))) {
        best = lane_value[i];
        best_place = place;
      }
    }
    barrier();
    last_value = best;
    last_place = best_place;
    if (lane == 0 && best_place != kNone) {
      uint to = (outer * p.k + k) * p.inner + inner;
      values.data[to] = source.data[begin + best_place * p.inner];
      places.data[to] = uvec2(best_place, 0u);
    }
  }
}
