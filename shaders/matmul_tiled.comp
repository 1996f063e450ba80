#version 460
#extension GL_GOOGLE_include_directive : require
// For GPUs: a workgroup of 16 x 16 computes a tile of 16 kBlock x 16 kBlock through shared memory, kBlock x
// kBlock outputs an invocation. The next tiles of A and B are read while the present ones are multiplied.
//! S = f32 f16
//! W = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/matmul.glsl"

layout(local_size_x = 16, local_size_y = 16) in;
layout(constant_id = 2) const uint kBlock = 4;
const uint kTile = 16 * kBlock, kDepth = 64 / kBlock, kItems = 4;  // elements of each tile an invocation reads
// Odd strides keep the columns of a tile in different banks.
shared float tile_a[kTile * (kDepth + 1)];
shared float tile_b[kDepth * (kTile + 1)];

uint local_index = gl_LocalInvocationID.y * 16 + gl_LocalInvocationID.x;

// Row and depth of item i of a tile of A, depth and column of one of B.
uvec2 a_place(uint i) {
  uint item = i * 256 + local_index;
  return uvec2(item / kDepth, item % kDepth);
}
uvec2 b_place(uint i) {
  uint item = i * 256 + local_index;
  return kTransB ? uvec2(item % kDepth, item / kDepth) : uvec2(item / kTile, item % kTile);
}

void read_tiles(uint batch, uint row, uint column, uint begin, out float left[kItems], out float right[kItems]) {
  [[unroll]] for (uint i = 0; i < kItems; ++i) {
    uvec2 at = a_place(i);
    uint m = row + at.x, k = begin + at.y;
    left[i] = m < p.m && k < p.k ? float(a.data[a_index(batch, m, k)]) : 0.0;
    at = b_place(i);
    k = begin + at.x;
    uint n = column + at.y;
    right[i] = n < p.n && k < p.k ? float(b.data[b_index(batch, k, n)]) : 0.0;
  }
}

void main() {
  uint x = gl_LocalInvocationID.x, y = gl_LocalInvocationID.y;
  uint row = gl_WorkGroupID.y * kTile, column = gl_WorkGroupID.x * kTile, batch = gl_WorkGroupID.z;
  float sum[kBlock][kBlock];
  [[unroll]] for (uint r = 0; r < kBlock; ++r) [[unroll]] for (uint j = 0; j < kBlock; ++j) sum[r][j] = 0.0;
  float next_a[kItems], next_b[kItems];
  read_tiles(batch, row, column, 0, next_a, next_b);
  for (uint begin = 0; begin < p.k; begin += kDepth) {
    [[unroll]] for (uint i = 0; i < kItems; ++i) {
      uvec2 at = a_place(i);
      tile_a[at.x * (kDepth + 1) + at.y] = next_a[i];
      at = b_place(i);
      tile_b[at.x * (kTile + 1) + at.y] = next_b[i];
    }
    barrier();
    read_tiles(batch, row, column, begin + kDepth, next_a, next_b);
    [[unroll]] for (uint k = 0; k < kDepth; ++k) {
      float left[kBlock], right[kBlock];
      [[unroll]] for (uint i = 0; i < kBlock; ++i) {
        left[i] = tile_a[(i * 16 + y) * (kDepth + 1) + k];
        right[i] = tile_b[k * (kTile + 1) + i * 16 + x];
      }
      [[unroll]] for (uint r = 0; r < kBlock; ++r) {
        [[unroll]] for (uint j = 0; j < kBlock; ++j) sum[r][j] = fma(left[r], right[j], sum[r][j]);
      }
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
