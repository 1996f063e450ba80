#version 460
#extension GL_GOOGLE_include_directive : require
// For GPUs: a workgroup of 16 x 16 computes a tile of 16 kBlock x 16 kBlock through shared memory, kBlock x
// kBlock outputs an invocation.
//! S = f32 f16
//! W = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/matmul.glsl"

layout(local_size_x = 16, local_size_y = 16) in;
layout(constant_id = 2) const uint kBlock = 4;
const uint kTile = 16 * kBlock, kDepth = 16;
// Odd strides keep the columns of a tile in different banks.
shared float tile_a[kTile * (kDepth + 1)];
shared float tile_b[kDepth * (kTile + 1)];

void main() {
  uint x = gl_LocalInvocationID.x, y = gl_LocalInvocationID.y, local_index = y * 16 + x;
  uint row = gl_WorkGroupID.y * kTile, column = gl_WorkGroupID.x * kTile, batch = gl_WorkGroupID.z;
  float sum[kBlock][kBlock];
  [[unroll]] for (uint r = 0; r < kBlock; ++r) [[unroll]] for (uint j = 0; j < kBlock; ++j) sum[r][j] = 0.0;
  for (uint begin = 0; begin < p.k; begin += kDepth) {
    [[unroll]] for (uint i = 0; i < kTile * kDepth / 256; ++i) {
      uint item = i * 256 + local_index;
      uint m = item / kDepth, k = item % kDepth;
      bool inside = row + m < p.m && begin + k < p.k;
      tile_a[m * (kDepth + 1) + k] = inside ? float(a.data[a_index(batch, row + m, begin + k)]) : 0.0;
      uint bk = kTransB ? item % kDepth : item / kTile, bn = kTransB ? item / kDepth : item % kTile;
      inside = column + bn < p.n && begin + bk < p.k;
      tile_b[bk * (kTile + 1) + bn] = inside ? float(b.data[b_index(batch, begin + bk, column + bn)]) : 0.0;
    }
    barrier();
    [[unroll]] for (uint k = 0; k < kDepth; ++k) {
      float left[kBlock], right[kBlock];
      [[unroll]] for (uint i = 0; i < kBlock; ++i) {
        left[i] = tile_a[(i * 16 + y) * (kDepth + 1) + k];
        right[i] = tile_b[k * (kTile + 1) + i * 16 + x];
      }
      [[unroll]] for (uint r = 0; r < kBlock; ++r) [[unroll]] for (uint j = 0; j < kBlock; ++j) sum[r][j] +=
          left[r] * right[j];
    }
    barrier();
  }
  [[unroll]] for (uint r = 0; r < kBlock; ++r) {
    [[unroll]] for (uint j = 0; j < kBlock; ++j) {
      uint m = row + r * 16 + y, n = column + j * 16 + x;
      if (m < p.m && n < p.n) store_result(batch, m, n, sum[r][j]);
    }
  }
}
