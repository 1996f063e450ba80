#version 460
#extension GL_GOOGLE_include_directive : require
//! E = b1 b2 b4 b8
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(push_constant) uniform Push { KvUpdateParams p; };
READONLY(0, ELEMENT, fresh);
READONLY(1, ELEMENT, past);
READONLY(2, int, lengths);
BUFFER(3, ELEMENT, target);

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  uint row = i / p.width, d = i - row * p.width;
  uint lane = row / p.count, b = lane / p.heads, head = lane - b * p.heads;
  int start = int(p.start);
  if ((p.flags & kKvLengths) != 0) start = lengths.data[b] - int(p.new_len);
  int s = int(row - lane * p.count);
  if ((p.flags & kKvInPlace) != 0) s += start;
  if (s < 0 || s >= int(p.y_h)) return;
  uint to = (lane * p.y_h + uint(s)) * p.width + d;
  if (s >= start && s < start + int(p.new_len)) {
    target.data[to] = fresh.data[p.x_offset + b * p.x_b + head * p.x_h + uint(s - start) * p.x_s + d];
  } else if (s < start && s < int(p.past_len)) {
    target.data[to] = past.data[(lane * p.past_h + uint(s)) * p.width + d];
  } else {
    target.data[to] = ELEMENT(0);
  }
}
