// com.microsoft operators that ONNX Runtime's optimiser makes of several; written as those again, so that the
// passes see one form.
#include <algorithm>
#include <cmath>

#include "runtime/ops/attention_expansion.h"

namespace vulcap::ops {
namespace {

ValueId gelu(ExpandContext& c, ValueId x, bool tanh) {
  Attributes attributes;
  attributes.set("approximate", std::string(tanh ? "tanh" : "none"));
  return c.add("Gelu", {x}, std::move(attributes));
}

void expand_bias_gelu(ExpandContext& c) {
  const ValueId x = c.has(1) ? c.add("Add", {c.operand(0), c.operand(1)}) : c.operand(0);
  c.result(0, gelu(c, x, c.node().op == "FastGelu"));
}

// x + bias + skip
void expand_bias_add(ExpandContext& c) {
  c.result(0, c.add("Add", {c.add("Add", {c.operand(0), c.operand(1)}), c.operand(2)}));
}

// (x + bias) in two halves: left * gelu(right)
void expand_bias_split_gelu(ExpandContext& c) {
  const ValueId x = c.add("Add", {c.operand(0), c.operand(1)});
  const core::Shape shape = c.static_shape(x);
  const int64_t axis = int64_t(shape.size()) - 1, width = shape.back();
  const ValueId right = gelu(c, c.slice(x, axis, width / 2, width), false);
  c.result(0, c.add("Mul", {c.slice(x, axis, 0, width / 2), right}));
}

// Swaps the two last axes, and brings axis 0 before them when `batch` (x is [rows, batch..., columns]).
ValueId turned(ExpandContext& c, ValueId x, bool swap, bool batch) {
  const int64_t rank = int64_t(c.shape_of(x).size());
  if (rank < 2 || (!swap && !batch)) return x;
  std::vector<int64_t> perm;
  for (int64_t i = batch ? 1 : 0; i + (batch ? 1 : 2) < rank; ++i) perm.push_back(i);
  const int64_t row = batch ? 0 : rank - 2;
  perm.push_back(swap ? rank - 1 : row);
  perm.push_back(swap ? row : rank - 1);
  return c.transpose(x, perm);
}

ValueId times(ExpandContext& c, ValueId x, float factor) {
  return factor == 1.0f ? x : c.add("Mul", {x, c.scalar(c.dtype_of(x), factor)});
}

// alpha * A' B'. A constant B [n, k] stays as it lies in the file.
void expand_fused_matmul(ExpandContext& c) {
  const auto flag = [&](const char* name) { return c.attributes().integer(name, 0) != 0; };
  const bool trans_b = flag("transB");
  const float alpha = c.attributes().real("alpha", 1);
  const ValueId a = turned(c, c.operand(0), flag("transA"), flag("transBatchA"));
  if (trans_b && c.in(1).constant && c.rank(1) == 2 && c.shape_of(a).size() >= 2) {
    Attributes attributes;
    attributes.set("transB", int64_t(1));
    attributes.set("alpha", alpha);
    return c.result(0, c.add("Linear", {a, c.operand(1)}, std::move(attributes), "vulcap"));
  }
  const ValueId b = turned(c, c.operand(1), trans_b, flag("transBatchB"));
  c.result(0, times(c, c.add("MatMul", {a, b}), alpha));
}

void expand_fused_gemm(ExpandContext& c) {
  Attributes gemm, activation;
  for (const auto& [name, value] : c.attributes().all()) {
    if (!name.starts_with("activation")) gemm.set(name, value);
  }
  const std::string op = c.attributes().text("activation", "");
  if (c.attributes().has("activation_alpha"))
    activation.set("alpha", c.attributes().real("activation_alpha", 0));
  if (c.attributes().has("activation_beta"))
    activation.set("beta", c.attributes().real("activation_beta", 0));
  const ValueId product = c.add("Gemm", c.node().inputs, std::move(gemm));
  c.result(0, op.empty() ? product : c.add(op, {product}, std::move(activation)));
}

// The bucket of T5's relative positions; `distance` is key - query.
int64_t bucket(int64_t distance, int64_t buckets, int64_t max_distance, bool bidirectional) {
  int64_t base = 0;
  if (bidirectional) {
    buckets /= 2;
    base = distance > 0 ? buckets : 0;
    distance = std::abs(distance);
  } else {
    distance = std::max<int64_t>(0, -distance);
  }
  const int64_t exact = buckets / 2;
  if (distance < exact) return base + distance;
  const float steps = std::log(float(distance) / float(exact)) / std::log(float(max_distance) / float(exact));
  return base + std::min(buckets - 1, exact + int64_t(steps * float(buckets - exact)));
}

// inputs: bias_table, query_length, key_length; output [1, heads, queries, keys]. The table is declared
// [buckets, heads] but stored by columns: a head's buckets lie together.
void expand_relative_position_bias(ExpandContext& c) {
  const core::Shape table = c.static_shape(c.operand(0));
  const int64_t queries = c.need_constants(1).at(0), keys = c.need_constants(2).at(0);
  const bool bidirectional = c.attributes().integer("is_bidirectional", 0) != 0;
  const int64_t max_distance = c.attributes().integer("max_distance", 128);
  std::vector<int64_t> rows;
  for (int64_t q = 0; q < queries; ++q) {
    for (int64_t k = 0; k < keys; ++k) rows.push_back(bucket(k - q, table[0], max_distance, bidirectional));
  }
  const ValueId ids = c.view(c.integers(rows), {Dim(queries), Dim(keys)});
  Attributes by_bucket;
  by_bucket.set("axis", int64_t(1));
  const ValueId by_head = c.view(c.operand(0), {Dim(table[1]), Dim(table[0])});
  c.result(0, with_rank(c, c.add("Gather", {by_head, ids}, std::move(by_bucket)), 4));
}

// inputs: query [batch, position, heads * width], query_bias, rel_pos [1, heads, position, position], weight
// [width, d], bias [d], eco_a [1, heads, 1, 1]: rel_pos * (u * (r * eco_a - 1) + 2) with u, r the sigmoids of
// the projected query's halves, each added up.
void expand_gated_relative_position_bias(ExpandContext& c) {
  const int64_t heads = c.attributes().integer("num_heads", 0);
  const DType dtype = c.dtype(0);
  const ValueId query = split_heads(c, c.add("Add", {c.operand(0), c.operand(1)}), heads);
  const ValueId gate = c.add("Add", {c.add("MatMul", {query, c.operand(3)}), c.operand(4)});
  SymShape halves = c.shape_of(gate);
  const auto half = halves.back().divide(Dim(2));
  if (!half) c.fail("the gate's width must be even");
  halves.back() = Dim(2);
  halves.push_back(*half);
  Attributes keep;
  keep.set("keepdims", int64_t(0));
  const ValueId sums = c.add("ReduceSum", {c.view(gate, halves), c.integers({-1})}, std::move(keep));
  const ValueId gates = c.add("Sigmoid", {sums});
  const ValueId u = c.slice(gates, 3, 0, 1), r = c.slice(gates, 3, 1, 2);
  const ValueId inner = c.add("Sub", {c.add("Mul", {r, c.operand(5)}), c.scalar(dtype, 1)});
  const ValueId factor = c.add("Add", {c.add("Mul", {u, inner}), c.scalar(dtype, 2)});
  c.result(0, c.add("Mul", {factor, c.operand(2)}));
}

}  // namespace

void register_fused(OpRegistry& registry) {
  for (const char* name : {"BiasGelu", "FastGelu"})
    registry.add_composite(name, "com.microsoft", expand_bias_gelu);
  registry.add_composite("BiasAdd", "com.microsoft", expand_bias_add);
  registry.add_composite("BiasSplitGelu", "com.microsoft", expand_bias_split_gelu);
  for (const char* name : {"FusedMatMul", "TransposeMatMul"})
    registry.add_composite(name, "com.microsoft", expand_fused_matmul);
  registry.add_composite("FusedGemm", "com.microsoft", expand_fused_gemm);
  registry.add_composite("RelativePositionBias", "com.microsoft", expand_relative_position_bias);
  registry.add_composite("GatedRelativePositionBias", "com.microsoft", expand_gated_relative_position_bias);
}

}  // namespace vulcap::ops
