#version 460
#extension GL_GOOGLE_include_directive : require
// An invocation keeps one column of one state.
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(constant_id = 0) const uint kFlags = 0;
layout(constant_id = 1) const uint kKeyWidth = 8;  // at least p.key_width
layout(push_constant) uniform Push { LinearAttentionParams p; };
READONLY(0, STORE, q);
READONLY(1, STORE, k);
READONLY(2, STORE, v);
READONLY(3, STORE, decay);
READONLY(4, STORE, beta);
READONLY(5, STORE, past);
BUFFER(6, STORE, y);
BUFFER(7, STORE, state);

bool has(uint flag) { return (kFlags & flag) != 0; }

void main() {
  uint i = flat_index();
  if (i >= p.batch * p.kv_heads * p.value_width) return;
  uint lane = i / p.value_width, m = i - lane * p.value_width;
  uint b = lane / p.kv_heads, h = lane - b * p.kv_heads, group = p.heads / p.kv_heads;
  uint state_at = lane * p.key_width * p.value_width + m;
  float column[kKeyWidth];
  for (uint d = 0; d < p.key_width; ++d)
    column[d] = has(kLinearPast) ? float(past.data[state_at + d * p.value_width]) : 0.0;
  for (uint t = 0; t < p.positions; ++t) {
    uint row = b * p.positions + t, at = row * p.kv_heads + h;
    float known = 0.0;
    for (uint d = 0; d < p.key_width; ++d) {
      if (has(kLinearDecay)) column[d] *= exp(float(decay.data[has(kLinearDecayByKey) ? at * p.key_width + d : at]));
      known = fma(float(k.data[at * p.key_width + d]), column[d], known);
    }
    float fresh = float(v.data[at * p.value_width + m]);
    if (has(kLinearDelta)) fresh = float(beta.data[has(kLinearBetaShared) ? row : at]) * (fresh - known);
    for (uint d = 0; d < p.key_width; ++d) column[d] = fma(float(k.data[at * p.key_width + d]), fresh, column[d]);
    for (uint g = 0; g < group; ++g) {
      uint head = row * p.heads + h * group + g;
      float sum = 0.0;
      for (uint d = 0; d < p.key_width; ++d) sum = fma(float(q.data[head * p.key_width + d]), column[d], sum);
      y.data[head * p.value_width + m] = STORE(p.scale * sum);
    }
  }
  for (uint d = 0; d < p.key_width; ++d) state.data[state_at + d * p.value_width] = STORE(column[d]);
}
