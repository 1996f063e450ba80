#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 i32 i64
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(constant_id = 0) const bool kDynamic = false;
layout(push_constant) uniform Push { IotaParams p; };
BUFFER(0, STORE, target);
READONLY(1, uint, state);

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  int start = p.start;
  if (kDynamic) start += p.start_dyn * int(state.data[0]);
  target.data[i] = STORE(start + p.step * int(i));
}
