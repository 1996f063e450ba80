#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

// 32-bit words of an id: of a 64-bit one the low word says all.
layout(constant_id = 0) const uint kIdWords = 2;
layout(push_constant) uniform Push { RotaryParams p; };
READONLY(0, STORE, x);
READONLY(1, STORE, cosine);
READONLY(2, STORE, sine);
READONLY(3, int, ids);
BUFFER(4, STORE, y);

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  uint row = i / p.width, d = i - row * p.width;
  uint position = row / p.heads, h = row - position * p.heads;
  uint b = position / p.positions, s = position - b * p.positions;
  uint at = p.x_offset + b * p.x_b + h * p.x_h + s * p.x_s;
  float value = float(x.data[at + d]);
  if (d < p.rotary) {
    bool interleaved = (p.flags & kRotaryInterleaved) != 0;
    uint half_width = p.rotary / 2;
    bool first = interleaved ? d % 2 == 0 : d < half_width;
    uint pair = interleaved ? d / 2 : d % half_width, hop = interleaved ? 1 : half_width;
    int line = p.row_offset + int(b * p.row_b + s * p.row_s);
    if ((p.flags & kRotaryIds) != 0) line += ids.data[(b * p.ids_b + s * p.ids_s) * kIdWords];
    uint entry = uint(clamp(line, 0, int(p.rows) - 1)) * half_width + pair;
    float other = float(x.data[first ? at + d + hop : at + d - hop]);
    value = value * float(cosine.data[entry]) + (first ? -other : other) * float(sine.data[entry]);
  }
  y.data[b * p.y_b + h * p.y_h + s * p.y_s + d] = STORE(value);
}
