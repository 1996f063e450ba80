#version 460
#extension GL_GOOGLE_include_directive : require
//! E = b1 b2 b4 b8
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(push_constant) uniform Push { FillParams p; };
BUFFER(0, ELEMENT, target);

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
#if defined(E_b8)
  target.data[i] = uvec2(p.value_low, p.value_high);
#else
  target.data[i] = ELEMENT(p.value_low);
#endif
}
