#version 460
#extension GL_GOOGLE_include_directive : require
// Products of the types that models seldom multiply: one output an invocation. Integers wrap.
//! S = f64 i32 i64
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(constant_id = 0) const uint kFlags = 0;
layout(push_constant) uniform Push { MatmulParams p; };
READONLY(0, STORE, a);
READONLY(1, STORE, b);
READONLY(2, STORE, bias);
READONLY(3, STORE, residual);
BUFFER(4, STORE, c);

void main() {
  uint i = flat_index();
  if (i >= p.batch * p.m * p.n) return;
  uint row = i / p.n, n = i - row * p.n;
  uint batch = row / p.m, m = row - batch * p.m;
  uint a_at = p.a_offset + batch * p.a_batch + m * p.lda, b_at = batch * p.b_batch;
  bool turned = (kFlags & kMatmulTransB) != 0;
  b_at += turned ? n * p.ldb : n;
  STORE sum = STORE(0);
  for (uint k = 0; k < p.k; ++k) sum += a.data[a_at + k] * b.data[b_at + (turned ? k : k * p.ldb)];
#if defined(S_f64)
  sum *= double(p.alpha);
#endif
  uint column = p.c_column + n, at = batch * p.c_batch + m * p.ldc + column;
  if ((kFlags & kMatmulBias) != 0) sum += bias.data[(kFlags & kMatmulBiasPerRow) != 0 ? m : column];
  if ((kFlags & kMatmulResidual) != 0) sum += residual.data[at];
  c.data[at] = sum;
}
