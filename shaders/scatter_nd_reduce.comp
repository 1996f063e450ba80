#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/axes.glsl"

// Items along this axis may name one element, so one invocation walks them in order. kMaxRank: there is none.
layout(constant_id = 2) const uint kSharedAxis = kMaxRank;
layout(push_constant) uniform Push { GatherNdParams p; };
BUFFER(0, STORE, target);
READONLY(1, int, indices);
READONLY(2, STORE, updates);
#include "shaders/lib/indexed.glsl"

ARITH combine(ARITH old, ARITH update) {
  switch (p.op) {
    case kScatterAdd:
      return old + update;
    case kScatterMul:
      return old * update;
#if !defined(INTEGER_ARITH)
    case kScatterMin:
      return isnan(old) || old < update ? old : update;
    default:
      return isnan(old) || old > update ? old : update;
#else
    case kScatterMin:
      return update < old ? update : old;
    default:
      return update > old ? update : old;
#endif
  }
}

void main() {
  uint lane = flat_index();
  uint count = 1, inner = 1;
  for (uint axis = 0; axis < kMaxRank; ++axis) {
    if (axis == kSharedAxis) count = p.shape[axis];
    if (axis > kSharedAxis) inner *= p.shape[axis];
  }
  if (count == 0 || lane >= indexed_items() / count) return;
  uint outer = lane / inner;
  uint begin = outer * count * inner + (lane - outer * inner);
  for (uint j = 0; j < count; ++j) {
    uint i = begin + j * inner;
    int to = indexed_offset(i);
    if (to >= 0) target.data[to] = SAVE(combine(LOAD(target.data[to]), LOAD(updates.data[i])));
  }
}
