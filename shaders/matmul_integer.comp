#version 460
#extension GL_GOOGLE_include_directive : require
// A lane computes kRows x 4 neighbouring columns; bytes are read as words of four where the layout allows it, and shuffles
// hand the words of A round.
#extension GL_KHR_shader_subgroup_shuffle : require
#define S_f32
#include "shaders/lib/storage.glsl"
#include "shaders/lib/quantised.glsl"
#include "shaders/abi.h"
#include "shaders/lib/math.glsl"

layout(local_size_x_id = 10) in;  // one subgroup
layout(constant_id = 0) const uint kFlags = 0;
layout(constant_id = 1) const uint kAct = 0;
layout(constant_id = 2) const uint kRows = 8;
layout(constant_id = 3) const bool kSignedA = false;
layout(constant_id = 4) const bool kSignedB = false;
layout(constant_id = 5) const bool kWordsA = false;  // every row of A starts at a multiple of four
layout(constant_id = 6) const bool kWordsB = false;
layout(constant_id = 7) const uint kLanes = 8;
layout(push_constant) uniform Push { MatmulIntegerParams p; };
READONLY(0, uint8_t, a_bytes);
READONLY(0, uint, a_words);
READONLY(1, uint8_t, b_bytes);
READONLY(1, uint, b_words);
READONLY(2, uint8_t, a_zeros);
READONLY(3, uint8_t, b_zeros);
READONLY(4, float, scales);
READONLY(5, float, bias);
READONLY(5, int, int_bias);
READONLY(6, float, residual);
BUFFER(7, int, sums);
BUFFER(7, float, target);

const bool kTransB = (kFlags & kIntegerTransB) != 0, kPerRow = (kFlags & kIntegerPerRow) != 0;
const bool kAZero = (kFlags & kIntegerAZero) != 0, kBZero = (kFlags & kIntegerBZero) != 0;

int byte_of(uint word, uint i, bool is_signed) {
  return is_signed ? int(word << (24u - 8u * i)) >> 24 : int((word >> (8u * i)) & 255u);
}

// A[m, k .. k + 3]; zero from p.k on.
uint load_a(uint at, uint k) {
  if (k >= p.k) return 0u;
  if (kWordsA && k + 4 <= p.k) return a_words.data[(at + k) >> 2];
  uint word = 0;
  for (uint i = 0; i < 4; ++i) {
    if (k + i < p.k) word |= uint(a_bytes.data[at + k + i]) << (8 * i);
  }
  return word;
}

// Four bytes from `at` on, of which `count` are inside.
uint load_b(uint at, uint count) {
  if (kWordsB && count >= 4) return b_words.data[at >> 2];
  uint word = 0;
  for (uint i = 0; i < 4; ++i) {
    if (i < count) word |= uint(b_bytes.data[at + i]) << (8 * i);
  }
  return word;
}

void store_sum(uint batch, uint m, uint n, int sum) {
  uint channel = p.channel + m, at = p.c_offset + batch * p.c_batch + m * p.ldc + n;
  uint place = kPerRow ? channel : n;
  if ((kFlags & kIntegerBias) != 0) sum += int_bias.data[place];
  if ((kFlags & kIntegerScale) == 0) {
    sums.data[at] = sum;
    return;
  }
  float value = float(sum) * scales.data[place * p.scale_step];
  if ((kFlags & kIntegerFloatBias) != 0) value += bias.data[place];
  value = vc_activation(kAct, value);
  if ((kFlags & kIntegerResidual) != 0) value += residual.data[at];
  target.data[at] = value;
}

void main() {
  uint lane = gl_LocalInvocationID.x, column = (gl_WorkGroupID.x * kLanes + lane) * 4;
  uint row = gl_WorkGroupID.y * kRows, batch = gl_WorkGroupID.z;
  uint a_at[kRows], a_zero_at = batch * p.a_zero_batch;
  [[unroll]] for (uint r = 0; r < kRows; ++r)
    a_at[r] = p.a_offset + batch * p.a_batch + min(row + r, p.m - 1) * p.lda;
  int sum[kRows][4], a_sum[kRows], b_sum[4];
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    a_sum[r] = 0;
    [[unroll]] for (uint j = 0; j < 4; ++j) sum[r][j] = 0;
  }
  [[unroll]] for (uint j = 0; j < 4; ++j) b_sum[j] = 0;

  for (uint begin = 0; begin < p.k; begin += 4 * kLanes) {
    uint block[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) block[r] = load_a(a_at[r], begin + 4 * lane);
    [[dont_unroll]] for (uint i = 0; i < kLanes; ++i) {
      uint k = begin + 4 * i;
      uint words[4];
      [[unroll]] for (uint j = 0; j < 4; ++j) {
        if (kTransB) {
          uint n = min(column + j, p.n - 1);
          words[j] = k < p.k ? load_b(batch * p.b_batch + n * p.ldb + k, p.k - k) : 0u;
        } else {
          bool inside = k + j < p.k && column < p.n;
          words[j] = inside ? load_b(batch * p.b_batch + (k + j) * p.ldb + column, p.n - column) : 0u;
        }
      }
      int w[4][4];  // along k, then along n
      [[unroll]] for (uint d = 0; d < 4; ++d) {
        [[unroll]] for (uint j = 0; j < 4; ++j) {
          w[d][j] = kTransB ? byte_of(words[j], d, kSignedB) : byte_of(words[d], j, kSignedB);
          if (kAZero) b_sum[j] += w[d][j];
        }
      }
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        uint word = subgroupShuffle(block[r], i);
        [[unroll]] for (uint d = 0; d < 4; ++d) {
          int x = byte_of(word, d, kSignedA);
          if (kBZero) a_sum[r] += x;
          [[unroll]] for (uint j = 0; j < 4; ++j) sum[r][j] += x * w[d][j];
        }
      }
    }
  }

  int b_zero[4];
  [[unroll]] for (uint j = 0; j < 4; ++j) {
    uint raw = kBZero ? uint(b_zeros.data[batch * p.b_zero_batch + min(column + j, p.n - 1) * p.b_zero_step]) : 0u;
    b_zero[j] = byte_of(raw, 0, kSignedB);
  }
  int result[kRows * 4];
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    uint channel = p.channel + min(row + r, p.m - 1);
    int a_zero = byte_of(kAZero ? uint(a_zeros.data[a_zero_at + channel * p.a_zero_step]) : 0u, 0, kSignedA);
    int rest = a_zero * int(p.k) - a_sum[r];
    [[unroll]] for (uint j = 0; j < 4; ++j)
      result[r * 4 + j] = sum[r][j] - a_zero * b_sum[j] + rest * b_zero[j];
  }
  [[dont_unroll]] for (uint i = 0; i < kRows * 4; ++i) {
    uint r = i / 4, n = column + i % 4;
    if (row + r < p.m && n < p.n) store_sum(batch, row + r, n, result[i]);
  }
}
