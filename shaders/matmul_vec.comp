#version 460
#extension GL_GOOGLE_include_directive : require
// For GPUs and few rows of A, where reading B is the work: each element of B is read once.
// B as [n, k]: a subgroup has a column and its lanes lie along k. B as [k, n]: lanes lie along n and the rows
// of the workgroup share out k. kAhead loads of B are in flight.
//! S = f32 f16
//! W = f32 f16
#include "shaders/lib/storage.glsl"
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "shaders/abi.h"
#include "shaders/lib/matmul.glsl"

layout(local_size_x_id = 10, local_size_y_id = 11) in;
layout(constant_id = 2) const uint kRows = 1;      // rows of A, at least p.m
layout(constant_id = 3) const uint kColumns = 32;  // the workgroup's size again
layout(constant_id = 4) const uint kSplits = 8;
const uint kAhead = 4;
shared float partial[kSplits * kColumns];

// The products of a column with each row, at every `stride`-th k from `first` on.
void add_products(uint batch, uint column, uint first, uint stride, inout float sum[kRows]) {
  for (uint begin = first; begin < p.k; begin += kAhead * stride) {
    float w[kAhead];
    [[unroll]] for (uint u = 0; u < kAhead; ++u) {
      uint k = begin + u * stride;
      w[u] = k < p.k ? float(b.data[b_index(batch, k, column)]) : 0.0;
    }
    [[unroll]] for (uint u = 0; u < kAhead; ++u) {
      uint k = min(begin + u * stride, p.k - 1);
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        float x = float(a.data[a_index(batch, min(r, p.m - 1), k)]);
        if (begin + u * stride < p.k) sum[r] = fma(w[u], x, sum[r]);
      }
    }
  }
}

void along_k(uint batch) {
  uint column = gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID;
  float sum[kRows];
  [[unroll]] for (uint r = 0; r < kRows; ++r) sum[r] = 0.0;
  if (column >= p.n) return;
  add_products(batch, column, gl_SubgroupInvocationID, gl_SubgroupSize, sum);
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
    add_products(batch, column, y, kSplits, sum);
  }
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    partial[y * kColumns + x] = sum[r];
    barrier();
    if (y == 0 && column < p.n && r < p.m) {
      float all = 0.0;
      [[unroll]] for (uint i = 0; i < kSplits; ++i) all += partial[i * kColumns + x];
      store_result(batch, r, column, all);
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
