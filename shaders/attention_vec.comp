#version 460
#extension GL_GOOGLE_include_directive : require
// For GPUs and few queries, where reading keys and values is the work: a workgroup has one query of one head.
// Its subgroups share out the keys, kKeys at a time; lanes lie along a row's elements. Each subgroup keeps a
// running maximum and sum, which are joined at the end.
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "shaders/abi.h"
#include "shaders/lib/attention.glsl"

layout(local_size_x_id = 10) in;
layout(constant_id = 1) const uint kSubgroups = 8;
layout(constant_id = 2) const uint kLaneElements = 2;  // elements of a row a lane, rounded up
layout(constant_id = 5) const uint kLanes = 32;        // the subgroup size
const uint kKeys = 4, kRow = kLaneElements * kLanes;
shared float bests[kSubgroups];
shared float totals[kSubgroups];
shared float sums[kSubgroups * kRow];

void main() {
  uint lane = gl_SubgroupInvocationID, part = gl_SubgroupID;
  uint query = gl_WorkGroupID.x, head = gl_WorkGroupID.y, batch = gl_WorkGroupID.z;
  uint kv_head = head * p.kv_heads / p.heads;
  Sight s = sight_of(batch, query, 1);
  float row[kLaneElements], sum[kLaneElements];
  uint q_at = p.q_offset + batch * p.q_b + head * p.q_h + query * p.q_s;
  [[unroll]] for (uint i = 0; i < kLaneElements; ++i) {
    uint d = i * kLanes + lane;
    row[i] = d < p.head_dim ? float(q.data[q_at + d]) : 0.0;
    sum[i] = 0.0;
  }
  float best = -VC_INFINITY, total = 0.0;
  for (uint begin = s.first_key + part * kKeys; begin < s.end; begin += kSubgroups * kKeys) {
    uint value_at[kKeys];
    bool seen[kKeys];
    float score[kKeys];
    [[unroll]] for (uint j = 0; j < kKeys; ++j) {
      uint key = min(begin + j, s.end - 1);
      int key_row = key_row_of(batch, key);
      uint key_batch = uint(max(key_row, 0));
      seen[j] = begin + j < s.end && key_row >= 0;
      uint at = k_row(key_batch, kv_head, key);
      value_at[j] = v_row(key_batch, kv_head, key);
      score[j] = 0.0;
      [[unroll]] for (uint i = 0; i < kLaneElements; ++i) {
        uint d = i * kLanes + lane;
        if (d < p.head_dim) score[j] = fma(row[i], float(k.data[at + d]), score[j]);
      }
    }
    float largest = best;
    [[unroll]] for (uint j = 0; j < kKeys; ++j) {
      uint key = min(begin + j, s.end - 1);
      float product = subgroupAdd(score[j]);
      score[j] = seen[j] ? score_of(product, batch, head, query, key, s.last) : -VC_INFINITY;
      largest = max(largest, score[j]);
    }
    float shift = largest == -VC_INFINITY ? 0.0 : largest, keep = exp(best - shift);
    best = largest;
    total *= keep;
    [[unroll]] for (uint j = 0; j < kKeys; ++j) {
      score[j] = exp(score[j] - shift);
      total += score[j];
    }
    [[unroll]] for (uint i = 0; i < kLaneElements; ++i) {
      uint d = i * kLanes + lane;
      sum[i] *= keep;
      [[unroll]] for (uint j = 0; j < kKeys; ++j) {
        if (d < p.v_dim) sum[i] = fma(score[j], float(v.data[value_at[j] + d]), sum[i]);
      }
    }
  }
  if (lane == 0) {
    bests[part] = best;
    totals[part] = total;
  }
  [[unroll]] for (uint i = 0; i < kLaneElements; ++i) sums[part * kRow + i * kLanes + lane] = sum[i];
  barrier();
  float largest = -VC_INFINITY, all = 0.0;
  for (uint i = 0; i < kSubgroups; ++i) largest = max(largest, bests[i]);
  float shift = largest == -VC_INFINITY ? 0.0 : largest;
  for (uint i = 0; i < kSubgroups; ++i) all += totals[i] * exp(bests[i] - shift);
  float scale = all == 0.0 ? 0.0 : 1.0 / all;
  uint o_at = batch * p.o_b + head * p.o_h + query * p.o_s;
  for (uint d = gl_LocalInvocationID.x; d < p.v_dim; d += kSubgroups * kLanes) {
    float value = 0.0;
    for (uint i = 0; i < kSubgroups; ++i) value += sums[i * kRow + d] * exp(bests[i] - shift);
    o.data[o_at + d] = STORE(value * scale);
  }
}
