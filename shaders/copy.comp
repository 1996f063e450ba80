#version 460
#extension GL_GOOGLE_include_directive : require
//! E = b1 b2 b4 b8
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/axes.glsl"

layout(constant_id = 0) const bool kDynamic = false;
layout(push_constant) uniform Push { CopyParams p; };
READONLY(0, ELEMENT, source);
BUFFER(1, ELEMENT, target);
READONLY(2, uint, state);

void main() {
  uint i = flat_index();
  if (i >= p.n) return;
  int from = p.in_offset, to = p.out_offset;
  if (kDynamic) {
    int position = int(state.data[0]);
    from += p.in_offset_dyn * position;
    to += p.out_offset_dyn * position;
  }
#define VISIT(axis, index)                \
  from += int(index) * p.in_stride[axis]; \
  to += int(index) * p.out_stride[axis];
  FOR_EACH_AXIS(i, p.shape, VISIT)
  target.data[to] = source.data[from];
}
