#include "runtime/ops/attention_expansion.h"

#include <cmath>
#include <limits>

#include "runtime/ops/attention.h"

namespace vulcap::ops {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// One attention node; its kernel masks by position itself.
ValueId fused(ExpandContext& c, const AttentionRequest& r) {
  Attributes attributes;
  attributes.set("scale", r.scale);
  if (r.softcap != 0) attributes.set("softcap", r.softcap);
  if (r.new_keys) {
    attributes.set("causal", int64_t(1));
    attributes.set("new_keys", *r.new_keys);
    if (r.causal_lengths) attributes.set("causal_lengths", int64_t(1));
    if (r.window > 0) attributes.set("window", r.window);
  }
  std::vector<ValueId> inputs{r.q, r.k, r.v, r.mask, graph::kNoValue, r.lengths};
  while (inputs.back() == graph::kNoValue) inputs.pop_back();
  return c.add(std::string(kAttention), std::move(inputs), std::move(attributes), "vulcap");
}

ValueId counting(ExpandContext& c, int64_t count, const SymShape& shape) {
  std::vector<int64_t> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = int64_t(i);
  return c.view(c.integers(values), shape);
}

// Which keys a query may see, as bool; kNoValue when it may see all.
ValueId visible_keys(ExpandContext& c, const AttentionRequest& r) {
  const core::Shape q = c.static_shape(r.q), k = c.static_shape(r.k);
  const ValueId key = counting(c, k[2], {Dim(1), Dim(1), Dim(1), Dim(k[2])});
  ValueId lengths = graph::kNoValue, result = graph::kNoValue;
  const auto both = [&](ValueId condition) {
    result = result == graph::kNoValue ? condition : c.add("And", {result, condition});
  };
  if (r.lengths != graph::kNoValue) {
    lengths = c.view(cast(c, r.lengths, DType::kI64), {Dim(q[0]), Dim(1), Dim(1), Dim(1)});
    both(c.add("Less", {key, lengths}));
  }
  if (!r.new_keys) return result;
  const ValueId query = counting(c, q[2], {Dim(1), Dim(1), Dim(q[2]), Dim(1)});
  const ValueId keys = r.causal_lengths ? lengths : c.scalar(DType::kI64, double(k[2]));
  const ValueId last =
      c.add("Add", {query, c.add("Sub", {keys, c.scalar(DType::kI64, double(*r.new_keys))})});
  both(c.add("LessOrEqual", {key, last}));
  if (r.window > 0)
    both(c.add("Greater", {key, c.add("Sub", {last, c.scalar(DType::kI64, double(r.window))})}));
  return result;
}

ValueId softmax_with_sink(ExpandContext& c, ValueId scores, ValueId sink) {
  const core::Shape shape = c.static_shape(scores);
  const ValueId column = c.view(sink, {Dim(1), Dim(shape[1]), Dim(1), Dim(1)});
  const ValueId all = c.add("Expand", {column, c.integers({shape[0], shape[1], shape[2], 1})});
  return c.slice(c.add("Softmax", {concat(c, {scores, all}, 3)}), 3, 0, shape[3]);
}

// Products and softmax of their own, for what the attention kernel does not hand out.
AttentionResult composed(ExpandContext& c, const AttentionRequest& r) {
  AttentionResult result;
  const DType dtype = c.dtype_of(r.q);
  const Dim heads = c.shape_of(r.q)[1];
  const auto scaled = [&](std::string op, ValueId x, float by) {
    return c.add(std::move(op), {x, c.scalar(dtype, by)});
  };
  const auto keep = [&](Scores stage, ValueId value) {
    if (r.scores == stage) result.scores = value;
  };
  ValueId x = c.add("MatMul", {r.q, c.transpose(repeat_heads(c, r.k, heads), {0, 1, 3, 2})});
  x = scaled("Mul", x, r.scale);
  keep(Scores::kRaw, x);
  if (r.softcap > 0) x = scaled("Mul", c.add("Tanh", {scaled("Div", x, r.softcap)}), r.softcap);
  keep(Scores::kCapped, x);
  if (r.mask != graph::kNoValue) x = c.add("Add", {x, r.mask});
  const ValueId visible = visible_keys(c, r);
  if (visible != graph::kNoValue) x = c.add("Add", {x, additive_mask(c, visible, dtype, kMinusInfinity)});
  keep(Scores::kMasked, x);
  x = r.sink == graph::kNoValue ? c.add("Softmax", {x}) : softmax_with_sink(c, x, r.sink);
  keep(Scores::kProbabilities, x);
  result.output = c.add("MatMul", {x, repeat_heads(c, r.v, heads)});
  return result;
}

}  // namespace

AttentionResult expand_attention(ExpandContext& c, const AttentionRequest& request) {
  for (ValueId operand : {request.k, request.v}) {
    if (c.dtype_of(operand) != c.dtype_of(request.q)) c.fail("query, key and value differ in dtype");
  }
  const SymShape q = c.shape_of(request.q), k = c.shape_of(request.k), v = c.shape_of(request.v);
  const bool fits = q.size() == 4 && k.size() == 4 && v.size() == 4 && q[3] == k[3] && k[2] == v[2] &&
                    k[1] == v[1] && q[0] == k[0] && k[0] == v[0] && q[1].divide(k[1]);
  if (!fits) {
    c.fail("query " + core::shape_text(q) + ", key " + core::shape_text(k) + " and value " +
           core::shape_text(v) + " do not fit each other");
  }
  if (request.scores == Scores::kNone && request.sink == graph::kNoValue)
    return {fused(c, request), graph::kNoValue};
  return composed(c, request);
}

ValueId expand_rotary(ExpandContext& c, const RotaryRequest& request, ValueId x, bool by_position) {
  Attributes attributes;
  attributes.set("interleaved", int64_t(request.interleaved));
  attributes.set("by_position", int64_t(by_position));
  attributes.set("ids_strides", std::vector<int64_t>{request.ids_strides.begin(), request.ids_strides.end()});
  attributes.set("row_strides", std::vector<int64_t>{request.row_strides.begin(), request.row_strides.end()});
  attributes.set("row_offset", request.row_offset);
  std::vector<ValueId> inputs{x, request.cos, request.sin};
  if (request.ids != graph::kNoValue) inputs.push_back(request.ids);
  return c.add(std::string(kRotary), std::move(inputs), std::move(attributes), "vulcap");
}

void check_table_width(ExpandContext& c, const RotaryRequest& request, int64_t rotary) {
  const Dim width = c.shape_of(request.cos).back() * Dim(2);
  if (rotary != 0 && !(width == Dim(rotary)))
    c.fail("tables for " + width.text() + " elements, but rotary_embedding_dim is " + std::to_string(rotary));
}

ValueId repeat_heads(ExpandContext& c, ValueId x, const Dim& heads) {
  const SymShape shape = c.shape_of(x);
  const auto times = heads.divide(shape[1]);
  if (!times) c.fail(heads.text() + " heads are no multiple of " + shape[1].text());
  if (*times == Dim(1)) return x;
  const ValueId apart = c.view(x, {shape[0], shape[1], Dim(1), shape[2], shape[3]});
  const ValueId repeated = c.add("Expand", {apart, c.integers({1, 1, times->value(), 1, 1})});
  return c.view(repeated, {shape[0], heads, shape[2], shape[3]});
}

ValueId split_heads(ExpandContext& c, ValueId x, int64_t heads) {
  const SymShape shape = c.shape_of(x);
  const auto width = shape.back().divide(Dim(heads));
  if (shape.size() != 3 || !width)
    c.fail(core::shape_text(shape) + " is not [batch, position, " + std::to_string(heads) + " heads]");
  return c.transpose(c.view(x, {shape[0], shape[1], Dim(heads), *width}), {0, 2, 1, 3});
}

ValueId merge_heads(ExpandContext& c, ValueId x) {
  const SymShape shape = c.shape_of(x);
  return c.view(c.transpose(x, {0, 2, 1, 3}), {shape[0], shape[2], shape[1] * shape[3]});
}

ValueId additive_mask(ExpandContext& c, ValueId keep, DType dtype, double masked) {
  return c.add("Where", {keep, c.scalar(dtype, 0), c.scalar(dtype, masked)});
}

ValueId cast(ExpandContext& c, ValueId value, DType dtype) {
  if (c.dtype_of(value) == dtype) return value;
  Attributes attributes;
  attributes.set("to", int64_t(dtype));
  return c.add("Cast", {value}, std::move(attributes));
}

ValueId concat(ExpandContext& c, std::vector<ValueId> parts, int64_t axis) {
  if (parts.size() == 1) return parts[0];
  Attributes attributes;
  attributes.set("axis", axis);
  return c.add("Concat", std::move(parts), std::move(attributes));
}

ValueId with_rank(ExpandContext& c, ValueId value, size_t rank) {
  SymShape shape = c.shape_of(value);
  while (shape.size() < rank) shape.insert(shape.begin(), Dim(1));
  return c.view(value, shape);
}

}  // namespace vulcap::ops
