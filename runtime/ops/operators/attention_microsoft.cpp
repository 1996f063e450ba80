// com.microsoft.Attention and MultiHeadAttention, written with vulcap.Attention.
#include <cmath>

#include "runtime/ops/attention_expansion.h"

namespace vulcap::ops {
namespace {

using graph::kNoValue;

ValueId add_masks(ExpandContext& c, ValueId a, ValueId b) {
  if (a == kNoValue || b == kNoValue) return a == kNoValue ? b : a;
  return c.add("Add", {a, b});
}

ValueId key_indices(ExpandContext& c, int64_t keys) {
  std::vector<int32_t> values;
  for (int64_t i = 0; i < keys; ++i) values.push_back(int32_t(i));
  return c.constant(core::Tensor::from<int32_t>(DType::kI32, {1, 1, 1, keys}, values));
}

// The padding mask in any of its forms: [batch] key counts, [2 * batch] ends and starts, [3 * batch + 2] key
// counts first, [batch, keys], [batch, queries, keys] or [batch, 1, most, most] of 0 and 1.
void padding_mask(ExpandContext& c, size_t input, AttentionRequest& r) {
  const core::Shape shape = c.static_shape(c.operand(input));
  const ValueId given = c.operand(input);
  const int64_t batch = c.static_shape(r.q)[0], queries = c.static_shape(r.q)[2],
                keys = c.static_shape(r.k)[2];
  const DType dtype = c.dtype_of(r.q);
  // Half of f16's range: two masks add up without overflow.
  const double least = dtype == DType::kF16 ? -32752 : -1.7e38;
  const double masked = std::max<double>(c.attributes().real("mask_filter_value", -10000), least);
  const auto row = [&](ValueId x, int64_t begin) {
    return c.view(c.slice(x, 0, begin, begin + batch), {Dim(batch), Dim(1), Dim(1), Dim(1)});
  };
  if (shape.size() == 1 && (shape[0] == batch || shape[0] == 3 * batch + 2)) {
    r.lengths = cast(c, shape[0] == batch ? given : c.slice(given, 0, 0, batch), DType::kI32);
    return;
  }
  ValueId keep = kNoValue;
  if (shape.size() == 1 && shape[0] == 2 * batch) {
    const ValueId key = key_indices(c, keys);
    keep = c.add("And",
                 {c.add("Less", {key, row(given, 0)}), c.add("GreaterOrEqual", {key, row(given, batch)})});
  } else if (shape == core::Shape{batch, keys}) {
    keep = c.view(given, {Dim(batch), Dim(1), Dim(1), Dim(keys)});
  } else if (shape == core::Shape{batch, queries, keys}) {
    keep = c.view(given, {Dim(batch), Dim(1), Dim(queries), Dim(keys)});
  } else if (shape.size() == 4 && shape[3] >= keys && shape[2] >= keys) {
    keep = c.slice(c.slice(given, 2, keys - queries, keys), 3, 0, keys);
  } else {
    c.fail("a mask of shape " + core::shape_text(shape) + " does not fit " + std::to_string(batch) + " x " +
           std::to_string(queries) + " queries over " + std::to_string(keys) + " keys");
  }
  r.mask = add_masks(c, r.mask, additive_mask(c, cast(c, keep, DType::kBool), dtype, masked));
}

void finish_request(ExpandContext& c, AttentionRequest& r) {
  const int64_t width = c.static_shape(r.q)[3];
  const float scale = c.attributes().real("scale", 0);
  r.scale = scale == 0 ? float(1 / std::sqrt(double(width))) : scale;
  if (c.attributes().integer("unidirectional", 0) != 0) r.new_keys = c.static_shape(r.q)[2];
}

int64_t need_heads(ExpandContext& c, const char* name) {
  const int64_t heads = c.attributes().integer(name, 0);
  if (heads <= 0) c.fail(std::string(name) + " must be positive");
  return heads;
}

// inputs: input, weights, bias?, mask_index?, past?, attention_bias?
void expand_attention_projected(ExpandContext& c) {
  if (c.attributes().integer("do_rotary", 0) != 0) c.fail("do_rotary is not supported");
  const int64_t heads = need_heads(c, "num_heads");
  ValueId all = c.add("MatMul", {c.operand(0), c.operand(1)});
  if (c.has(2)) all = c.add("Add", {all, c.operand(2)});
  const int64_t width = c.static_shape(all).back();
  auto sizes = c.attributes().integers("qkv_hidden_sizes", {width / 3, width / 3, width / 3});
  if (sizes.size() != 3 || sizes[0] + sizes[1] + sizes[2] != width || sizes[0] != sizes[1])
    c.fail("qkv_hidden_sizes do not add up to " + std::to_string(width));
  Attributes axis;
  axis.set("axis", int64_t(-1));
  const auto parts = c.add_split("Split", {all, c.integers(sizes)}, std::move(axis), 3);
  AttentionRequest r;
  r.q = split_heads(c, parts[0], heads);
  r.k = split_heads(c, parts[1], heads);
  r.v = split_heads(c, parts[2], heads);
  const SymShape pair = c.shape_of(r.k);
  const auto stacked = [&](ValueId x) {
    SymShape to = c.shape_of(x);
    to.insert(to.begin(), Dim(1));
    return c.view(x, to);
  };
  if (c.has(4)) {
    const SymShape past = c.shape(4);
    if (past.size() != 5) c.fail("past must be [2, batch, heads, position, width]");
    const SymShape one(past.begin() + 1, past.end());
    r.k = concat(c, {c.view(c.slice(c.operand(4), 0, 0, 1), one), r.k}, 2);
    r.v = concat(c, {c.view(c.slice(c.operand(4), 0, 1, 2), one), r.v}, 2);
  }
  if (c.wants(1)) c.result(1, concat(c, {stacked(r.k), stacked(r.v)}, 0));
  if (c.has(5)) r.mask = with_rank(c, c.operand(5), 4);
  if (c.has(3)) padding_mask(c, 3, r);
  finish_request(c, r);
  c.result(0, merge_heads(c, expand_attention(c, r).output));
}

// The part of the bias of all three projections that belongs to one, added.
ValueId with_bias(ExpandContext& c, ValueId x, int64_t begin) {
  if (!c.has(3)) return x;
  return c.add("Add", {x, c.slice(c.operand(3), 0, begin, begin + c.static_shape(x).back())});
}

// [batch, position, heads, parts, width] as `parts` values [batch, position, heads * width].
std::vector<ValueId> unpack(ExpandContext& c, ValueId packed) {
  const core::Shape shape = c.static_shape(packed);
  std::vector<ValueId> result;
  for (int64_t i = 0; i < shape[3]; ++i)
    result.push_back(
        c.view(c.slice(packed, 3, i, i + 1), {Dim(shape[0]), Dim(shape[1]), Dim(shape[2] * shape[4])}));
  return result;
}

// inputs: query, key?, value?, bias?, key_padding_mask?, attention_bias?, past_key?, past_value?
void expand_multi_head(ExpandContext& c) {
  const int64_t heads = need_heads(c, "num_heads");
  std::vector<ValueId> parts{c.operand(0), c.operand(1), c.operand(2)};
  if (c.has(9)) c.fail("cache_indirection is not supported");
  if (c.rank(0) == 5) {
    parts = unpack(c, c.operand(0));
  } else if (c.has(1) && c.rank(1) == 5) {
    parts = unpack(c, c.operand(1));
    parts.insert(parts.begin(), c.operand(0));
  }
  if (parts.size() != 3 || parts[1] == kNoValue || parts[2] == kNoValue) c.fail("key or value is missing");
  AttentionRequest r;
  const int64_t hidden = c.static_shape(parts[0]).back();
  const auto heads_first = [&](ValueId x, int64_t bias_begin) {
    return c.shape_of(x).size() == 4 ? x : split_heads(c, with_bias(c, x, bias_begin), heads);
  };
  r.q = heads_first(parts[0], 0);
  r.k = heads_first(parts[1], hidden);
  r.v = heads_first(parts[2], 2 * hidden);
  if (c.has(6) != c.has(7)) c.fail("past_key and past_value go together");
  if (c.has(6)) {
    r.k = concat(c, {c.operand(6), r.k}, 2);
    r.v = concat(c, {c.operand(7), r.v}, 2);
  }
  c.result(1, r.k);
  c.result(2, r.v);
  if (c.has(5)) r.mask = with_rank(c, c.operand(5), 4);
  if (c.has(4)) padding_mask(c, 4, r);
  finish_request(c, r);
  if (c.wants(3)) r.scores = Scores::kMasked;
  const AttentionResult result = expand_attention(c, r);
  c.result(0, merge_heads(c, result.output));
  if (c.wants(3)) c.result(3, result.scores);
}

}  // namespace

void register_attention_microsoft(OpRegistry& registry) {
  registry.add_composite("Attention", "com.microsoft", expand_attention_projected);
  registry.add_composite("MultiHeadAttention", "com.microsoft", expand_multi_head);
}

}  // namespace vulcap::ops
