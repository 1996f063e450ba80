// Variants of the kernels of attention.
#include "runtime/vulkan/chooser.h"

namespace vulcap::vulkan {
namespace {

// The most keys that a call can see: those that fit between two heads or batches of k.
uint64_t most_keys(const ops::KernelCall& call, const abi::AttentionParams& p) {
  if (!call.uses_state || p.k_s == 0) return p.kv_len;
  uint64_t elements = call.bindings[1].size * 8 / core::dtype_bits(call.variant.storage);
  for (uint32_t stride : {p.k_h, p.k_b}) {
    if (stride > p.k_s) elements = std::min<uint64_t>(elements, stride);
  }
  return elements / p.k_s;
}

}  // namespace

void choose_kv_update(Chooser& c) {
  if (c.module_by_bytes()) c.flat(c.call.params_as<abi::KvUpdateParams>().n);
}

void choose_rotary(Chooser& c) {
  const DType ids = c.call.variant.second;
  if (ids != DType::kUndefined && ids != DType::kI64 && ids != DType::kI32) {
    c.choice.refusal = "no shader variant for " + std::string(core::dtype_name(ids)) + " positions";
    return;
  }
  if (!c.module(std::string("rotary.S_") + std::string(tag(c.call.variant.storage)))) return;
  c.constant(0, ids == DType::kI64 ? 2 : 1);
  c.flat(c.call.params_as<abi::RotaryParams>().n);
}

void choose_linear_attention(Chooser& c) {
  constexpr uint32_t kMaxKeyWidth = 256;  // floats of an invocation's own
  const auto& p = c.call.params_as<abi::LinearAttentionParams>();
  if (!c.module_by_storage()) return;
  if (p.key_width > kMaxKeyWidth) c.choice.refusal = "heads wider than " + std::to_string(kMaxKeyWidth);
  c.constant(0, p.flags);
  c.constant(1, std::max(p.key_width, 1u));
  c.flat(uint64_t(p.batch) * p.kv_heads * p.value_width);
  const uint64_t reads = 2 + p.heads / std::max(p.kv_heads, 1u);
  c.loop_rounds(uint64_t(p.positions) * (1 + reads * (1 + p.key_width)) + 2 * p.key_width);
}

// Few queries on a GPU: subgroups share out the keys.
void choose_attention_vector(Chooser& c, const abi::AttentionParams& p) {
  constexpr uint32_t kMaxInvocations = 512;
  if (!c.module("attention_vec.S_" + std::string(tag(c.call.variant.storage)))) return;
  const uint32_t lanes = c.caps.subgroup_size;
  const uint32_t lane_elements = divide_up(std::max({p.head_dim, p.v_dim, 1u}), lanes);
  uint32_t subgroups = std::min(c.caps.max_workgroup_invocations, kMaxInvocations) / lanes;
  // Sums of all subgroups lie in shared memory, of which a device has 16 KiB at least.
  while (subgroups > 1 && subgroups * (lane_elements * lanes + 2) > 4096) subgroups /= 2;
  c.constant(0, p.flags);
  c.constant(1, subgroups);
  c.constant(2, lane_elements);
  c.constant(3, c.call.uses_state);
  c.constant(5, lanes);
  c.constant(kLocalX, subgroups * lanes);
  c.dispatch().groups = {p.q_len, p.v_dim == 0 ? 0u : p.heads, p.batch};
}

void choose_attention(Chooser& c) {
  constexpr uint32_t kMaxPairs = 32;  // running sums that a lane can keep in registers
  const auto& p = c.call.params_as<abi::AttentionParams>();
  if (p.heads > kMaxGroups || p.batch > kMaxGroups) {
    c.choice.refusal = "more heads or batches than a dispatch can have";
    return;
  }
  if (!software(c.caps) && p.q_len < 4) return choose_attention_vector(c, p);
  if (!c.module_by_storage()) return;
  const uint32_t lanes = c.caps.subgroup_size;
  const uint32_t lane_pairs = divide_up(std::max(p.v_dim, 1u), 2 * lanes);
  uint32_t rows = p.q_len >= 4 ? 8 : 1;
  while (rows > 1 && rows * lane_pairs > kMaxPairs) rows /= 2;
  const uint32_t all = p.head_dim | p.v_dim | p.q_offset | p.q_b | p.q_h | p.q_s | p.k_offset | p.k_b |
                       p.k_h | p.k_s | p.v_offset | p.v_b | p.v_h | p.v_s | p.o_b | p.o_h | p.o_s;
  c.constant(0, p.flags);
  c.constant(1, rows);
  c.constant(2, lane_pairs);
  c.constant(3, c.call.uses_state);
  c.constant(4, all % 2 == 0 && p.head_dim > 0 && aligned_bindings(c.call));
  c.constant(5, lanes);
  c.constant(6, software(c.caps) ? 1 : 4);
  c.constant(kLocalX, lanes);
  c.dispatch().groups = {divide_up(p.q_len, rows), p.v_dim == 0 ? 0u : p.heads, p.batch};
  const uint64_t blocks = divide_up(p.head_dim, 2 * lanes);
  c.loop_rounds(divide_up(most_keys(c.call, p), lanes) * (1 + blocks * (1 + lanes) + lanes) +
                rows * lane_pairs);
}

}  // namespace vulcap::vulkan
