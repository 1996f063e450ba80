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

layout(local_size_x_id = 10) in;
layout(constant_id = 0) const uint kFlags = 0;
layout(constant_id = 1) const uint kRows = 1;
layout(constant_id = 2) const uint kLanePairs =
    4;  // pairs of value elements a lane: v_dim / (2 lanes), rounded up
layout(constant_id = 3) const bool kDynamic = false;
layout(constant_id = 4) const
    bool kPairs = false;                        // every row of q, k, v and o begins and ends at an even index
layout(constant_id = 5) const uint kLanes = 8;  // the workgroup size again
layout(push_constant) uniform Push { AttentionParams p; };
READONLY(0, STORE, q);
READONLY(1, STORE, k);
READONLY(2, STORE, v);
READONLY(3, STORE, mask);
READONLY(4, int, rows);
BUFFER(5, STORE, o);
READONLY(6, int, lengths);
READONLY(7, uint, state);
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
  uint kv_len = p.kv_len;
  if (kDynamic) kv_len += p.kv_len_dyn * state.data[0];

  // Of a query i, keys [i + last - window, i + last] are in sight.
  int last = int(kv_len) - int(p.new_keys);
  if ((kFlags & kAttentionLengths) != 0) {
    kv_len = min(kv_len, uint(max(lengths.data[batch], 0)));
    if ((kFlags & kAttentionCausalLengths) != 0) last = int(kv_len) - int(p.new_keys);
  }
  uint first_key = 0;
  if ((kFlags & kAttentionCausal) != 0) {
    int end = int(min(first + kRows, p.q_len)) + last;
    kv_len = min(kv_len, uint(max(end, 0)));
    if (p.window > 0) first_key = uint(max(int(first) + last + 1 - int(p.window), 0));
  }

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

  for (uint begin = first_key; begin < kv_len; begin += kLanes) {
    uint key = min(begin + lane, kv_len - 1);
    int key_row =
        (kFlags & kAttentionRows) != 0 ? rows.data[batch * p.batch_step + key] : int(batch / p.batch_step);
    uint key_batch = uint(max(key_row, 0));
    uint k_at = p.k_offset + key_batch * p.k_b + kv_head * p.k_h + key * p.k_s;
    float score[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) score[r] = 0.0;
    for (uint d = 0; d < p.head_dim; d += 2 * kLanes) {
      vec2 block[kRows];
      [[unroll]] for (uint r = 0; r < kRows; ++r) block[r] = load_q(q_at[r], d + 2 * lane, p.head_dim);
      [[dont_unroll]] for (uint i = 0; i < kLanes; ++i) {
        vec2 x = load_k(k_at, d + 2 * i, p.head_dim);
        [[unroll]] for (uint r = 0; r < kRows; ++r) {
          score[r] =
              fma(x.y, subgroupShuffle(block[r].y, i), fma(x.x, subgroupShuffle(block[r].x, i), score[r]));
        }
      }
    }
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      float s = score[r] * p.scale;
      if (p.softcap > 0.0) s = p.softcap * tanh(clamp(s / p.softcap, -15.0, 15.0));
      if ((kFlags & kAttentionMask) != 0) {
        s += float(mask.data[batch * p.mask_b + head * p.mask_h + query[r] * p.mask_q + key]);
      }
      bool seen = begin + lane < kv_len && key_row >= 0;
      if ((kFlags & kAttentionCausal) != 0) {
        int ahead = int(query[r]) + last - int(key);
        seen = seen && ahead >= 0 && (p.window == 0 || ahead < int(p.window));
      }
      if (!seen) s = -VC_INFINITY;
      float largest = max(best[r], subgroupMax(s));
      float shift = largest == -VC_INFINITY ? 0.0 : largest;
      float keep = exp(best[r] - shift);
      score[r] = exp(s - shift);
      best[r] = largest;
      total[r] = total[r] * keep + score[r];
      [[unroll]] for (uint i = 0; i < kLanePairs; ++i) sum[r][i] *= keep;
    }
    uint round_keys = min(kLanes, kv_len - begin);
    [[dont_unroll]] for (uint j = 0; j < round_keys; ++j) {
      uint value_batch = (kFlags & kAttentionRows) != 0 ? subgroupShuffle(key_batch, j) : key_batch;
      uint v_at = p.v_offset + value_batch * p.v_b + kv_head * p.v_h + (begin + j) * p.v_s;
      vec2 x[kLanePairs];
      [[unroll]] for (uint i = 0; i < kLanePairs; ++i) x[i] = load_v(v_at, (i * kLanes + lane) * 2, p.v_dim);
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        float weight = subgroupShuffle(score[r], j);
        [[unroll]] for (uint i = 0; i < kLanePairs; ++i) sum[r][i] += weight * x[i];
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
