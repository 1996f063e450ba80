#version 460
#extension GL_GOOGLE_include_directive : require
//! E = b1 b2 b4 b8
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/axes.glsl"

layout(push_constant) uniform Push { GatherNdParams p; };
READONLY(0, ELEMENT, source);
READONLY(1, int, indices);
BUFFER(2, ELEMENT, target);
#include "shaders/lib/indexed.glsl"

void main() {
  uint i = flat_index();
  if (i >= indexed_items()) return;
  int from = indexed_offset(i);
  if (from < 0) {
    target.data[i] = ELEMENT(0u);
  } else {
    target.data[i] = source.data[from];
  }
}
