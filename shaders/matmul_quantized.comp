#version 460
#extension GL_GOOGLE_include_directive : require
// A lane computes kRows x 4 neighbouring columns and dequantises the weights of its columns in registers, four along k at a
// time; shuffles hand the elements of A round. On GPUs the kSplits subgroups of a workgroup share out k where rows are few.
#extension GL_KHR_shader_subgroup_shuffle : require
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/lib/quantised.glsl"
#include "shaders/abi.h"
#include "shaders/lib/math.glsl"

layout(local_size_x_id = 10, local_size_y_id = 11) in;  // a row is one subgroup
layout(constant_id = 0) const uint kFlags = 0;
layout(constant_id = 1) const uint kAct = 0;
layout(constant_id = 2) const uint kRows = 8;
layout(constant_id = 3) const uint kBits = 4;
// How four weights of a column are read: one at a time, a word or half of one along k, or words along n.
const uint kSingly = 0, kAlongK = 1, kAlongN = 2;
layout(constant_id = 4) const uint kReading = kSingly;
layout(constant_id = 5) const bool kHalfScale = false;
layout(constant_id = 7) const uint kLanes = 8;
layout(constant_id = 8) const uint kSplits = 1;
layout(push_constant) uniform Push { MatmulQuantizedParams p; };
READONLY(0, STORE, a);
READONLY(1, uint8_t, b_bytes);
READONLY(1, uint, b_words);
READONLY(2, float, scales);
READONLY(2, float16_t, half_scales);
READONLY(3, uint8_t, zeros);
READONLY(3, float, real_zeros);
READONLY(3, float16_t, half_zeros);
READONLY(4, STORE, bias);
READONLY(5, STORE, residual);
BUFFER(6, STORE, target);

shared float partial[kSplits > 1 ? kSplits * kRows * 4 * kLanes : 1];

const bool kSigned = (kFlags & kWeightSigned) != 0, kHighFirst = (kFlags & kWeightHighFirst) != 0;
const bool kFp4 = (kFlags & kWeightFp4) != 0, kNf4 = (kFlags & kWeightNf4) != 0;

const float kFp4Values[8] = {0.0, 0.00520833333, 0.66666667, 1.0, 0.33333333, 0.5, 0.16666667, 0.25};
const float kNf4Values[16] = {-1.0,
                              -0.6961928009986877,
                              -0.5250730514526367,
                              -0.39491748809814453,
                              -0.28444138169288635,
                              -0.18477343022823334,
                              -0.09105003625154495,
                              0.0,
                              0.07958029955625534,
                              0.16093020141124725,
                              0.24611230194568634,
                              0.33791524171829224,
                              0.44070982933044434,
                              0.5626170039176941,
                              0.7229568362236023,
                              1.0};

float value_of(uint raw) {
  if (kNf4) return kNf4Values[raw];
  if (kFp4) return raw < 8u ? kFp4Values[raw] : -kFp4Values[raw - 8u];
  return kSigned ? float(vc_signed(raw, kBits)) : float(raw);
}

float scale_of(uint k, uint n) {
  uint at = (kFlags & kWeightFlatBlocks) != 0 ? (n * p.k + k) / p.block : k / p.block * p.s_k + n * p.s_n;
  return kHalfScale ? float(half_scales.data[at]) : scales.data[at];
}

uint packed_at(uint index) {
  if (!kHighFirst) return PACKED_NUMBER(b_bytes, kBits, index);
  uint bit = index * kBits;
  return (uint(b_bytes.data[bit >> 3u]) >> (8u - kBits - (bit & 7u))) & ((1u << kBits) - 1u);
}

float zero_of(uint k, uint n) {
  if (kFp4 || kNf4) return 0.0;
  uint at = k / p.block * p.z_k + n * p.z_n;
  if ((kFlags & kWeightZero) != 0) {
    uint raw = PACKED_NUMBER(zeros, kBits, at);
    return kSigned ? float(vc_signed(raw, kBits)) : float(raw);
  }
  if ((kFlags & kWeightZeroReal) != 0) return kHalfScale ? float(half_zeros.data[at]) : real_zeros.data[at];
  return p.zero;
}

// Number d of the four whose bits begin at the lowest of `word`.
uint piece(uint word, uint d) {
  uint place = kHighFirst ? d ^ (8u / kBits - 1u) : d;
  return (word >> (place * kBits)) & ((1u << kBits) - 1u);
}

vec4 load_a(uint m, uint k) {
  vec4 x = vec4(0.0);
  [[unroll]] for (uint d = 0; d < 4; ++d) {
    if (k + d < p.k) x[d] = float(a.data[m * p.lda + k + d]);
  }
  return x;
}

void store_result(uint m, uint n, float value) {
  uint column = p.c_column + n, at = m * p.ldc + column;
  if ((kFlags & kWeightBias) != 0) value += float(bias.data[column]);
  value = vc_activation(kAct, value);
  if ((kFlags & kWeightResidual) != 0) value += float(residual.data[at]);
  target.data[at] = STORE(value);
}

void main() {
  uint lane = gl_LocalInvocationID.x, column = (gl_WorkGroupID.x * kLanes + lane) * 4;
  uint row = gl_WorkGroupID.y * kRows;
  float sum[kRows][4];
  [[unroll]] for (uint r = 0; r < kRows; ++r) [[unroll]] for (uint j = 0; j < 4; ++j) sum[r][j] = 0.0;
  float scale[4] = {0.0, 0.0, 0.0, 0.0}, zero[4] = {0.0, 0.0, 0.0, 0.0};
  uint split = kSplits > 1 ? gl_LocalInvocationID.y : 0;
  for (uint begin = split * 4 * kLanes; begin < p.k; begin += kSplits * 4 * kLanes) {
    vec4 block[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) block[r] = load_a(min(row + r, p.m - 1), begin + 4 * lane);
    [[dont_unroll]] for (uint i = 0; i < kLanes; ++i) {
      uint k = begin + 4 * i;
      if (k >= p.k) break;
      float w[4][4];  // along k, then along n
      if (kReading == kSingly) {
        [[dont_unroll]] for (uint at = 0; at < 16; ++at) {
          uint kk = min(k + at / 4, p.k - 1), n = min(column + at % 4, p.n - 1);
          w[at / 4][at % 4] = (value_of(packed_at(kk * p.b_k + n * p.b_n)) - zero_of(kk, n)) * scale_of(kk, n);
        }
      } else {
        if (k % p.block == 0 || i == 0) {
          [[unroll]] for (uint j = 0; j < 4; ++j) {
            uint n = min(column + j, p.n - 1);
            scale[j] = scale_of(k, n);
            zero[j] = zero_of(k, n);
          }
        }
        uint words[4];
        [[unroll]] for (uint j = 0; j < 4; ++j) {
          uint index = kReading == kAlongK ? min(column + j, p.n - 1) * p.b_n + k
                                           : min(k + j, p.k - 1) * p.b_k + min(column, p.n - 4);
          words[j] = b_words.data[index * kBits >> 5u] >> (index * kBits & 31u);
        }
        [[unroll]] for (uint d = 0; d < 4; ++d) {
          [[unroll]] for (uint j = 0; j < 4; ++j) {
            uint raw = kReading == kAlongK ? piece(words[j], d) : piece(words[d], j);
            w[d][j] = (value_of(raw) - zero[j]) * scale[j];
          }
        }
      }
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        vec4 x = subgroupShuffle(block[r], i);
        [[unroll]] for (uint d = 0; d < 4; ++d) {
          [[unroll]] for (uint j = 0; j < 4; ++j) sum[r][j] = fma(x[d], w[d][j], sum[r][j]);
        }
      }
    }
  }
  if (kSplits > 1) {
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      [[unroll]] for (uint j = 0; j < 4; ++j)
        partial[((split * kRows + r) * 4 + j) * kLanes + lane] = sum[r][j];
    }
    barrier();
    if (split != 0) return;
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      [[unroll]] for (uint j = 0; j < 4; ++j) {
        for (uint i = 1; i < kSplits; ++i) sum[r][j] += partial[((i * kRows + r) * 4 + j) * kLanes + lane];
      }
    }
  }
  float result[kRows * 4];
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    [[unroll]] for (uint j = 0; j < 4; ++j) result[r * 4 + j] = sum[r][j];
  }
  [[dont_unroll]] for (uint i = 0; i < kRows * 4; ++i) {
    uint r = i / 4, n = column + i % 4;
    if (row + r < p.m && n < p.n) store_result(row + r, n, result[i]);
  }
}
