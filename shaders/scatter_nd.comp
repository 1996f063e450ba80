#version 460
#extension GL_GOOGLE_include_directive : require
//! E = b1 b2 b4 b8
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/axes.glsl"

layout(push_constant) uniform Push { GatherNdParams p; };
BUFFER(0, ELEMENT, target);
READONLY(1, int, indices);
READONLY(2, ELEMENT, updates);
#include "shaders/lib/indexed.glsl"

void main() {
  uint i = flat_index();
  if (i >= indexed_items()) return;
  int to = indexed_offset(i);
  if (to >= 0) target.data[to] = updates.data[i];
}
