#version 460
#extension GL_GOOGLE_include_directive : require
// For software renderers, where every load of a lane costs about as much as twenty multiply-adds and a
// barrier much more. A workgroup is one subgroup; a lane computes kRows x kCols outputs of its own columns in
// registers. Elements are loaded in pairs: a lane's own pairs of B, and of A one pair a lane, which shuffles
// hand round.
//! S = f32 f16
//! W = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/lib/pairs.glsl"
#if defined(W_f32)
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#endif
#extension GL_KHR_shader_subgroup_shuffle : require
#include "shaders/abi.h"
#include "shaders/lib/matmul.glsl"

layout(local_size_x_id = 10) in;
layout(constant_id = 2) const uint kRows = 16;
layout(constant_id = 3) const uint kCols = 4;   // even
layout(constant_id = 4) const uint kLanes = 8;  // the workgroup size again
// Whether every pair of A and B lies at an even index inside the matrix, and every pair of C and residual as
// well.
layout(constant_id = 5) const bool kPairs = false;

#if defined(W_f32)
#define W_PAIR uint64_t
#define W_UNPACK(word) uintBitsToFloat(unpack32(word))
#else
#define W_PAIR uint
#define W_UNPACK(word) unpackHalf2x16(word)
#endif
READONLY(0, S_PAIR, a_pairs);
READONLY(1, W_PAIR, b_pairs);
READONLY(2, S_PAIR, bias_pairs);
READONLY(3, S_PAIR, residual_pairs);
BUFFER(4, S_PAIR, c_pairs);

// Column of the first element of a lane's pair.
uint column_of(uint pair) {
  return (gl_WorkGroupID.x * (kCols / 2) + pair) * 2 * kLanes + gl_LocalInvocationID.x * 2;
}

// A[m, k] and A[m, k + 1]; zero from p.k on.
vec2 load_a(uint at, uint k) {
  if (kPairs) {
    vec2 x = S_UNPACK(a_pairs.data[(at + min(k, p.k - 2)) >> 1]);
    return k < p.k ? x : vec2(0.0);
  }
  vec2 x = vec2(float(a.data[at + min(k, p.k - 1)]), float(a.data[at + min(k + 1, p.k - 1)]));
  return vec2(k < p.k ? x.x : 0.0, k + 1 < p.k ? x.y : 0.0);
}

// Two neighbours of B from index `at` on; the second is at `next` where pairs are not aligned.
vec2 load_b(uint at, uint next) {
  if (kPairs) return W_UNPACK(b_pairs.data[at >> 1]);
  return vec2(float(b.data[at]), float(b.data[next]));
}

void store_pair(uint batch, uint m, uint n, vec2 sum) {
  if (!kPairs) {
    if (n < p.n) store_result(batch, m, n, sum.x);
    if (n + 1 < p.n) store_result(batch, m, n + 1, sum.y);
    return;
  }
  if (n >= p.n) return;
  vec2 value = p.alpha * sum;
  uint column = p.c_column + n;
  if (kBias) value += kBiasPerRow ? vec2(float(bias.data[m])) : S_UNPACK(bias_pairs.data[column >> 1]);
  value = vec2(vc_activation(kAct, value.x), vc_activation(kAct, value.y));
  uint at = (batch * p.c_batch + m * p.ldc + column) >> 1;
  if (kResidual) value += S_UNPACK(residual_pairs.data[at]);
  c_pairs.data[at] = S_PACK(value);
}

void main() {
  uint lane = gl_LocalInvocationID.x;
  uint row = gl_WorkGroupID.y * kRows, batch = gl_WorkGroupID.z;
  uint a_at[kRows];
  [[unroll]] for (uint r = 0; r < kRows; ++r) a_at[r] = a_index(batch, min(row + r, p.m - 1), 0);
  // With B as [n, k]: the start of each column's row. With [k, n]: of each pair of columns, and of its second
  // column.
  uint b_at[kCols];
  [[unroll]] for (uint j = 0; j < kCols; ++j) {
    uint last = kPairs && !kTransB ? p.n - 2 + j % 2 : p.n - 1;
    b_at[j] = b_index(batch, 0, min(column_of(j / 2) + j % 2, last));
  }

  float sum[kRows][kCols];
  [[unroll]] for (uint r = 0; r < kRows; ++r) [[unroll]] for (uint j = 0; j < kCols; ++j) sum[r][j] = 0.0;
  for (uint begin = 0; begin < p.k; begin += 2 * kLanes) {
    vec2 block[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) block[r] = load_a(a_at[r], begin + 2 * lane);
    [[dont_unroll]] for (uint i = 0; i < kLanes; ++i) {
      uint k0 = min(begin + 2 * i, p.k - (kPairs ? 2 : 1)), k1 = min(begin + 2 * i + 1, p.k - 1);
      float w0[kCols], w1[kCols];
      [[unroll]] for (uint j = 0; j < kCols; j += kTransB ? 1 : 2) {
        if (kTransB) {
          vec2 w = load_b(b_at[j] + k0, b_at[j] + k1);
          w0[j] = w.x;
          w1[j] = w.y;
        } else {
          vec2 first = load_b(b_at[j] + k0 * p.ldb, b_at[j + 1] + k0 * p.ldb);
          vec2 second = load_b(b_at[j] + k1 * p.ldb, b_at[j + 1] + k1 * p.ldb);
          w0[j] = first.x;
          w0[j + 1] = first.y;
          w1[j] = second.x;
          w1[j + 1] = second.y;
        }
      }
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        vec2 x = vec2(subgroupShuffle(block[r].x, i), subgroupShuffle(block[r].y, i));
        [[unroll]] for (uint j = 0; j < kCols; ++j) sum[r][j] = fma(x.y, w1[j], fma(x.x, w0[j], sum[r][j]));
      }
    }
  }

  // A copy that is indexed at run time: the epilogue is compiled once, not once an output.
  float result[kRows * kCols];
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    [[unroll]] for (uint j = 0; j < kCols; ++j) result[r * kCols + j] = sum[r][j];
  }
  [[dont_unroll]] for (uint i = 0; i < kRows * kCols; i += 2) {
    uint r = i / kCols, j = i - r * kCols;
    if (row + r < p.m) store_pair(batch, row + r, column_of(j / 2), vec2(result[i], result[i + 1]));
  }
}
