#version 460
#extension GL_GOOGLE_include_directive : require
// Destinations: all but double, which few devices have, or double alone.
//! D = common f64
//! S = f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64
#if defined(D_common)
#define ANY_STORAGE
#endif
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(push_constant) uniform Push { CastParams p; };
READONLY(0, STORE, source);
#if defined(D_f64)
BUFFER(1, double, as_f64);
void store(uint i, ARITH x) { as_f64.data[i] = double(x); }
#else
#include "shaders/lib/cast.glsl"
#endif

void main() {
  uint i = flat_index();
  if (i < p.n) store(i, LOAD(source.data[i]));
}
