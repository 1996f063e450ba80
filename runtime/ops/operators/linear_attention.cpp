// LinearAttention-27 and CausalConvWithState-27: the parts of recurrent language models.
#include <cmath>

#include "runtime/ops/attention_expansion.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

enum Input : size_t { kQuery, kKey, kValue, kPast, kDecay, kBeta };

struct Sizes {
  Dim batch, length, key_width, value_width;
  int64_t heads, kv_heads;
};

Sizes sizes_of(const Attributes& attributes, const SymShape& q, const SymShape& k, const SymShape& v) {
  Sizes s;
  s.heads = attributes.integer("q_num_heads", 0);
  s.kv_heads = attributes.integer("kv_num_heads", 0);
  const auto refuse = [](const char* why) { throw core::Error(core::ErrorCode::kInvalidModel, why); };
  if (s.heads <= 0 || s.kv_heads <= 0 || s.heads % s.kv_heads != 0)
    refuse("q_num_heads must be a positive multiple of kv_num_heads");
  if (q.size() != 3 || k.size() != 3 || v.size() != 3) refuse("query, key and value must have 3 axes");
  const auto key = q[2].divide(Dim(s.heads)), value = v[2].divide(Dim(s.kv_heads));
  if (!key || !value || !(k[2] == *key * Dim(s.kv_heads)))
    refuse("query, key and value do not fit their heads");
  s.batch = q[0];
  s.length = q[1];
  s.key_width = *key;
  s.value_width = *value;
  return s;
}

void infer_linear_attention(InferContext& c) {
  const Sizes s = sizes_of(c.attributes(), c.shape(kQuery), c.shape(kKey), c.shape(kValue));
  const std::string rule = c.attributes().text("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta",
             delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear") c.fail("update_rule '" + rule + "' is not known");
  if (gated != c.has(kDecay) || delta != c.has(kBeta))
    c.fail("update_rule '" + rule + "' does not fit the inputs");
  for (size_t i = 1; i < c.inputs(); ++i) {
    if (c.has(i)) c.same_dtype(0, i);
  }
  c.set(0, c.dtype(0), {s.batch, s.length, Dim(s.heads) * s.value_width});
  c.set(1, c.dtype(0), {s.batch, Dim(s.kv_heads), s.key_width, s.value_width});
}

void lower_linear_attention(LowerContext& c) {
  const core::Shape q = c.shape(kQuery), k = c.shape(kKey), v = c.shape(kValue);
  const Sizes s =
      sizes_of(c.attributes(), c.sym_shape(c.in(kQuery)), c.sym_shape(c.in(kKey)), c.sym_shape(c.in(kValue)));
  abi::LinearAttentionParams p{};
  p.batch = narrow(q[0]);
  p.positions = narrow(q[1]);
  p.heads = narrow(s.heads);
  p.kv_heads = narrow(s.kv_heads);
  p.key_width = narrow(q[2] / s.heads);
  p.value_width = narrow(v[2] / s.kv_heads);
  p.flags = (c.has(kPast) ? abi::kLinearPast : 0) | (c.has(kDecay) ? abi::kLinearDecay : 0) |
            (c.has(kBeta) ? abi::kLinearDelta : 0);
  if (c.has(kDecay) && c.shape(kDecay).back() != s.kv_heads) p.flags |= abi::kLinearDecayByKey;
  if (c.has(kBeta) && c.shape(kBeta).back() != s.kv_heads) p.flags |= abi::kLinearBetaShared;
  const float scale = c.attributes().real("scale", 0);
  p.scale = scale != 0 ? scale : float(1 / std::sqrt(double(p.key_width)));
  const auto given = [&](size_t i) { return c.read(c.has(i) ? c.in(i) : c.in(kQuery)); };
  const DType dtype = c.dtype(0);
  const ValueId state = c.out(1) != graph::kNoValue
                            ? c.out(1)
                            : c.temp(dtype, {q[0], s.kv_heads, int64_t(p.key_width), int64_t(p.value_width)});
  c.emit("linear_attention", {dtype, {}}, p,
         {given(kQuery), given(kKey), given(kValue), given(kDecay), given(kBeta), given(kPast),
          c.write(c.out(0)), c.write(state)},
         {p.batch * p.kv_heads * p.value_width, 1, 1});
}

// inputs: x [batch, channels, length], weight [channels, 1, k], bias?, past_state [batch, channels, k - 1]?
void expand_causal_conv(ExpandContext& c) {
  const core::Shape x = c.static_shape(c.operand(0)), weight = c.static_shape(c.operand(1));
  if (x.size() != 3 || weight.size() != 3) c.fail("input and weight must have 3 axes");
  const int64_t carried = weight[2] - 1;
  const ValueId past = c.has(3) ? c.operand(3) : c.constant(core::Tensor(c.dtype(0), {x[0], x[1], carried}));
  const ValueId all = concat(c, {past, c.operand(0)}, 2);
  c.result(1, c.slice(all, 2, x[2], x[2] + carried));
  Attributes conv;
  conv.set("group", x[1]);
  conv.set("kernel_shape", std::vector<int64_t>{weight[2]});
  const ValueId y = c.add("Conv", {all, c.operand(1), c.operand(2)}, std::move(conv));
  const std::string activation = c.attributes().text("activation", "none");
  if (activation == "none") return c.result(0, y);
  if (activation != "silu" && activation != "swish") c.fail("activation '" + activation + "' is not known");
  c.result(0, c.add("Mul", {y, c.add("Sigmoid", {y})}));
}

}  // namespace

void register_linear_attention(OpRegistry& registry) {
  registry.add({"LinearAttention", "", infer_linear_attention, lower_linear_attention});
  registry.add_composite("CausalConvWithState", "", expand_causal_conv);
}

}  // namespace vulcap::ops
