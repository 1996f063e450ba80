#version 460
#extension GL_GOOGLE_include_directive : require
// A workgroup is one subgroup and has kRows queries of one head. Lanes lie along keys for q.k and along the
// value's elements for p.v; the running maximum and sum of the softmax stay in registers. Elements go in
// pairs: of a query's row each lane loads one pair and shuffles hand them round.
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/lib/pairs.glsl"
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "shaders/abi.h"

#include "shaders/lib/attention.glsl"

layout(local_size_x_id = 10) in;
layout(constant_id = 1) const uint kRows = 1;
layout(constant_id = 2) const uint kLanePairs =
    4;  // pairs of value elements a lane: v_dim / (2 lanes), rounded up
layout(constant_id = 4) const
    bool kPairs = false;                        // every row of q, k, v and o begins and ends at an even index
layout(constant_id = 5) const uint kLanes = 8;  // the workgroup size again
layout(constant_id = 6) const uint kAhead = 1;  // loads in flight: GPUs hide latency so, compilers take longer
READONLY(0, S_PAIR, q_pairs);
READONLY(1, S_PAIR, k_pairs);
READONLY(2, S_PAIR, v_pairs);
BUFFER(5, S_PAIR, o_pairs);

// Elements d and d + 1 of the row at `at`, of `size` elements; zero behind its end.
#define LOAD_PAIR(name)                                                                               \
  vec2 load_##name(uint at, uint d, uint size) {                                                      \
    vec2 x;                                                                                           \
    if (kPairs) {                                                                                     \
      x = S_UNPACK(name##_pairs.data[(at + min(d, size - 2)) >> 1]);                                  \
    } else {                                                                                          \
      x = vec2(float(name.data[at + min(d, size - 1)]), float(name.data[at + min(d + 1, size - 1)])); \
    }                                                                                                 \
    return vec2(d < size ? x.x : 0.0, d + 1 < size ? x.y : 0.0);                                      \
  }
LOAD_PAIR(q)
LOAD_PAIR(k)
LOAD_PAIR(v)

void store_pair(uint at, uint d, vec2 x) {
  if (kPairs) {
    if (d < p.v_dim) o_pairs.data[(at + d) >> 1] = S_PACK(x);
    return;
  }
  if (d < p.v_dim) o.data[at + d] = STORE(x.x);
  if (d + 1 < p.v_dim) o.data[at + d + 1] = STORE(x.y);
}

void main() {
  uint lane = gl_LocalInvocationID.x;
  uint head = gl_WorkGroupID.y, batch = gl_WorkGroupID.z, first = gl_WorkGroupID.x * kRows;
  uint kv_head = head * p.kv_heads / p.heads;
  Sight s = sight_of(batch, first, kRows);

  uint query[kRows], q_at[kRows];
  float best[kRows], total[kRows];
  vec2 sum[kRows][kLanePairs];
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    query[r] = min(first + r, p.q_len - 1);
    q_at[r] = p.q_offset + batch * p.q_b + head * p.q_h + query[r] * p.q_s;
    best[r] = -VC_INFINITY;
    total[r] = 0.0;
    [[unroll]] for (uint i = 0; i < kLanePairs; ++i) sum[r][i] = vec2(0.0);
  }

  for (uint begin = s.first_key; begin < s.end; begin += kLanes) {
    uint key = min(begin + lane, s.end - 1);
    int key_row = key_row_of(batch, key);
    uint key_batch = uint(max(key_row, 0)), k_at = k_row(key_batch, kv_head, key);
    float score[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) score[r] = 0.0;
    for (uint d = 0; d < p.head_dim; d += 2 * kLanes) {
      vec2 block[kRows];
      [[unroll]] for (uint r = 0; r < kRows; ++r) block[r] = load_q(q_at[r], d + 2 * lane, p.head_dim);
      [[dont_unroll]] for (uint i = 0; i < kLanes; i += kAhead) {
        vec2 x[kAhead];
        [[unroll]] for (uint u = 0; u < kAhead; ++u) x[u] = load_k(k_at, d + 2 * (i + u), p.head_dim);
        [[unroll]] for (uint u = 0; u < kAhead; ++u) {
          [[unroll]] for (uint r = 0; r < kRows; ++r) {
            score[r] = fma(x[u].y, subgroupShuffle(block[r].y, i + u),
                           fma(x[u].x, subgroupShuffle(block[r].x, i + u), score[r]));
          }
        }
      }
    }
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      bool seen = begin + lane < s.end && key_row >= 0;
      float x = seen ? score_of(score[r], batch, head, query[r], key, s.last) : -VC_INFINITY;
      float largest = max(best[r], subgroupMax(x));
      float shift = largest == -VC_INFINITY ? 0.0 : largest;
      float keep = exp(best[r] - shift);
      score[r] = exp(x - shift);
      best[r] = largest;
      total[r] = total[r] * keep + score[r];
      [[unroll]] for (uint i = 0; i < kLanePairs; ++i) sum[r][i] *= keep;
    }
    // Lanes behind the last key have weight 0, and read its row.
    [[dont_unroll]] for (uint j = 0; j < min(kLanes, s.end - begin); j += kAhead) {
      vec2 x[kAhead][kLanePairs];
      [[unroll]] for (uint u = 0; u < kAhead; ++u) {
        uint value_batch = (kFlags & kAttentionRows) != 0 ? subgroupShuffle(key_batch, j + u) : key_batch;
        uint v_at = v_row(value_batch, kv_head, min(begin + j + u, s.end - 1));
        [[unroll]] for (uint i = 0; i < kLanePairs; ++i)
          x[u][i] = load_v(v_at, (i * kLanes + lane) * 2, p.v_dim);
      }
      [[unroll]] for (uint u = 0; u < kAhead; ++u) {
        [[unroll]] for (uint r = 0; r < kRows; ++r) {
          float weight = subgroupShuffle(score[r], j + u);
          [[unroll]] for (uint i = 0; i < kLanePairs; ++i) sum[r][i] += weight * x[u][i];
        }
      }
    }
  }

  // A copy that is indexed at run time: the stores are compiled once, not once a row.
  float all[kRows];
  vec2 result[kRows * kLanePairs];
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    all[r] = subgroupAdd(total[r]);
    float scale = all[r] == 0.0 ? 0.0 : 1.0 / all[r];
    [[unroll]] for (uint i = 0; i < kLanePairs; ++i) result[r * kLanePairs + i] = sum[r][i] * scale;
  }
  [[dont_unroll]] for (uint n = 0; n < kRows * kLanePairs; ++n) {
    uint r = n / kLanePairs, i = n - r * kLanePairs;
    uint at = batch * p.o_b + head * p.o_h + (first + r) * p.o_s;
    if (first + r < p.q_len) store_pair(at, (i * kLanes + lane) * 2, result[n]);
  }
}
