#version 460
#extension GL_GOOGLE_include_directive : require
// For GPUs and few rows of A, where reading B is the work: each element of B is read once.
// B as [n, k]: a subgroup has a column and its lanes lie along k. B as [k, n]: lanes lie along n and the 4
// rows of the workgroup share out k.
//! S = f32 f16
//! W = f32 f16
#include "shaders/lib/storage.glsl"
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "shaders/abi.h"
#include "shaders/lib/matmul.glsl"

const uint kColumns = 64, kSplits = 4;
layout(local_size_x = 64, local_size_y = 4) in;
layout(constant_id = 2) const uint kRows = 1;  // rows of A, at least p.m
shared float partial[kSplits * kColumns];

void along_k(uint batch) {
  uint column = gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID;
  float sum[kRows];
  [[unroll]] for (uint r = 0; r < kRows; ++r) sum[r] = 0.0;
  if (column >= p.n) return;
  for (uint k = gl_SubgroupInvocationID; k < p.k; k += gl_SubgroupSize) {
    float w = float(b.data[b_index(batch, k, column)]);
    [[unroll]] for (uint r = 0; r < kRows; ++r) sum[r] +=
        w * float(a.data[a_index(batch, min(r, p.m - 1), k)]);
  }
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    float all = subgroupAdd(sum[r]);
    if (gl_SubgroupInvocationID == 0 && r < p.m) store_result(batch, r, column, all);
  }
}

void along_n(uint batch) {
  uint x = gl_LocalInvocationID.x, y = gl_LocalInvocationID.y;
  uint column = gl_WorkGroupID.x * kColumns + x;
  float sum[kRows];
  [[unroll]] for (uint r = 0; r < kRows; ++r) sum[r] = 0.0;
  if (column < p.n) {
    for (uint k = y; k < p.k; k += kSplits) {
      float w = float(b.data[b_index(batch, k, column)]);
      [[unroll]] for (uint r = 0; r < kRows; ++r) sum[r] +=
          w * float(a.data[a_index(batch, min(r, p.m - 1), k)]);
    }
  }
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    partial[y * kColumns + x] = sum[r];
    barrier();
    if (y == 0 && column < p.n && r < p.m) {
      store_result(
          batch, r, column,
          partial[x] + partial[kColumns + x] + partial[2 * kColumns + x] + partial[3 * kColumns + x]);
    }
    barrier();
  }
}

void main() {
  if (kTransB)
    along_k(gl_WorkGroupID.z);
  else
    along_n(gl_WorkGroupID.z);
}
