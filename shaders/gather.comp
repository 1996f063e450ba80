#version 460
#extension GL_GOOGLE_include_directive : require
//! E = b1 b2 b4 b8
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

// 32-bit words of an index: of a 64-bit one the low word says all, since it is a row number or a small
// negative.
layout(constant_id = 0) const uint kIndexWords = 2;
layout(push_constant) uniform Push { GatherParams p; };
READONLY(0, ELEMENT, source);
READONLY(1, int, rows);
BUFFER(2, ELEMENT, target);

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  uint position = i / p.inner;
  uint inner = i - position * p.inner;
  uint outer = position / p.indices;
  int row = rows.data[(position - outer * p.indices) * kIndexWords];
  if (row < 0) row += int(p.axis_size);
  if (row < int(p.row_begin) || row >= int(p.row_end)) return;
  uint held = p.row_end - p.row_begin;
  target.data[i] = source.data[(outer * held + uint(row) - p.row_begin) * p.inner + inner];
}
