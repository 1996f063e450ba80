// com.microsoft.GroupQueryAttention, written with vulcap.Rotary, vulcap.KvUpdate and vulcap.Attention.
#include <algorithm>
#include <cmath>

#include "runtime/ops/attention.h"
#include "runtime/ops/attention_expansion.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

using graph::kNoValue;

enum Input : size_t {
  kQuery,
  kKey,
  kValue,
  kPastKey,
  kPastValue,
  kLastKeys,  // seqlens_k: the keys of each batch entry, less one
  kTotal,
  kCos,
  kSin,
  kPositions,
  kBias,
  kSink
};

struct Sizes {
  int64_t heads, kv_heads, batch, length, total, past;
  bool open;  // the past is a symbol: `total` and `past` are not told
  // All keys are new: a batch entry's positions start at 0 and its tail may be padding.
  bool prompt() const { return length == total; }
};

// Query, key and value as [batch, position, heads, width].
std::vector<ValueId> operands(ExpandContext& c, const Sizes& sizes) {
  std::vector<ValueId> parts{c.operand(kQuery), c.operand(kKey), c.operand(kValue)};
  if (!c.has(kKey)) {
    const int64_t all = c.static_shape(c.operand(kQuery)).back(), heads = sizes.heads + 2 * sizes.kv_heads;
    const int64_t width = all / heads;
    if (all % heads != 0) c.fail("packed operands of " + std::to_string(all) + " elements do not divide");
    Attributes axis;
    axis.set("axis", int64_t(-1));
    const ValueId lengths = c.integers({sizes.heads * width, sizes.kv_heads * width, sizes.kv_heads * width});
    parts = c.add_split("Split", {c.operand(kQuery), lengths}, std::move(axis), 3);
  }
  for (size_t i = 0; i < 3; ++i) {
    const int64_t heads = i == 0 ? sizes.heads : sizes.kv_heads;
    const core::Shape shape = c.static_shape(parts[i]);
    if (shape.back() % heads != 0) c.fail("operand " + std::to_string(i) + " does not divide into its heads");
    parts[i] = c.view(parts[i], {Dim(shape[0]), Dim(shape[1]), Dim(heads), Dim(shape.back() / heads)});
  }
  return parts;
}

RotaryRequest rotary(ExpandContext& c, const Sizes& sizes, ValueId lengths) {
  RotaryRequest r{c.operand(kCos), c.operand(kSin)};
  if (r.cos == kNoValue || r.sin == kNoValue) c.fail("do_rotary needs cos_cache and sin_cache");
  r.interleaved = c.attributes().integer("rotary_interleaved", 0) != 0;
  if (c.has(kPositions)) {
    r.ids = c.operand(kPositions);
    r.ids_strides = {sizes.length, 1};
    return r;
  }
  r.row_strides = {0, 1};
  if (sizes.prompt()) return r;
  r.ids = lengths;
  r.ids_strides = {1, 0};
  r.row_offset = -sizes.length;
  return r;
}

// The cache with the new positions; of a batch entry they end where its length says.
ValueId update(ExpandContext& c, const Sizes& sizes, size_t past, ValueId fresh, ValueId lengths) {
  const int64_t total = std::max(sizes.past, sizes.total);
  if (sizes.prompt() && total == sizes.length) return fresh;
  if (!c.has(past)) c.fail("past_key and past_value are missing");
  Attributes attributes;
  attributes.set("total", total);
  std::vector<ValueId> inputs{c.operand(past), fresh, lengths};
  if (sizes.prompt()) inputs.pop_back();
  return c.add(std::string(kKvUpdate), std::move(inputs), std::move(attributes), "vulcap");
}

// i64[length]: start, start + 1, ...
ValueId counting_from(ExpandContext& c, const Dim& start, int64_t length) {
  Attributes attributes;
  attributes.set("dtype", int64_t(DType::kI64));
  attributes.set("start", start.text());
  attributes.set("length", Dim(length).text());
  attributes.set("step", int64_t(1));
  return c.add("Iota", {}, std::move(attributes), "vulcap");
}

ValueId sink_of(ExpandContext& c, const Sizes& sizes) {
  if (c.has(kSink)) return c.operand(kSink);
  if (c.attributes().integer("smooth_softmax", 0) <= 0) return kNoValue;
  return c.constant(core::Tensor(c.dtype(kQuery), {sizes.heads}));
}

Sizes sizes_of(ExpandContext& c) {
  Sizes sizes{};
  sizes.heads = c.attributes().integer("num_heads", 0);
  sizes.kv_heads = c.attributes().integer("kv_num_heads", 0);
  if (sizes.kv_heads <= 0 || sizes.heads <= 0 || sizes.heads % sizes.kv_heads != 0)
    c.fail("num_heads must be a multiple of kv_num_heads");
  const core::Shape query = c.static_shape(c.operand(kQuery));
  if (query.size() != 3) c.fail("query must be [batch, position, heads * width]");
  sizes.batch = query[0];
  sizes.length = query[1];
  const Dim total = c.need_ints(kTotal).at(0);
  sizes.open = !total.is_constant();
  if (sizes.open) return sizes;
  sizes.total = total.value();
  sizes.past = c.has(kPastKey) ? c.static_shape(c.operand(kPastKey))[2] : 0;
  if (sizes.total < sizes.length) c.fail("total_sequence_length is less than the number of new positions");
  return sizes;
}

void refuse_quantised_cache(ExpandContext& c) {
  for (const char* name : {"k_quant_type", "v_quant_type"}) {
    if (c.attributes().text(name, "NONE") != "NONE") c.fail("a quantised cache is not supported");
  }
}

// What does not depend on how keys and values are kept, and the results.
void attend(ExpandContext& c, const Sizes& sizes, AttentionRequest r) {
  const double width = double(c.static_shape(r.q)[3]);
  const float scale = c.attributes().real("scale", 0);
  r.scale = scale == 0 ? float(1 / std::sqrt(width)) : scale;
  r.softcap = c.attributes().real("softcap", 0);
  r.new_keys = sizes.length;
  r.window = std::max<int64_t>(0, c.attributes().integer("local_window_size", -1));
  if (c.has(kBias)) r.mask = with_rank(c, c.operand(kBias), 4);
  r.sink = sink_of(c, sizes);
  const int64_t wanted = c.attributes().integer("qk_output", 0);
  if (c.wants(3)) r.scores = wanted == 2 ? Scores::kProbabilities : Scores::kMasked;
  const AttentionResult result = expand_attention(c, r);
  c.result(0, merge_heads(c, result.output));
  if (c.wants(3)) c.result(3, result.scores);
}

// Behind a past of open length, which all rows share: the new positions are appended to it.
void expand_open(ExpandContext& c, const Sizes& sizes) {
  const Dim past = c.has(kPastKey) ? c.shape_of(c.operand(kPastKey))[2] : Dim(0);
  const Dim total = c.need_ints(kTotal).at(0);
  const auto last = affine_operand(c, kLastKeys, c.rank(kLastKeys));
  const bool whole = last && last->base == total - Dim(1) && total == past + Dim(sizes.length) &&
                     std::all_of(last->coefficients.begin(), last->coefficients.end(),
                                 [](int64_t coefficient) { return coefficient == 0; });
  if (!whole)
    throw NeedsStaticShape(core::ErrorCode::kInvalidModel,
                           "GroupQueryAttention over an open past whose rows may differ in length");
  auto parts = operands(c, sizes);
  if (c.attributes().integer("do_rotary", 0) != 0) {
    RotaryRequest request{c.operand(kCos), c.operand(kSin)};
    request.interleaved = c.attributes().integer("rotary_interleaved", 0) != 0;
    if (request.cos == kNoValue || request.sin == kNoValue) c.fail("do_rotary needs cos_cache and sin_cache");
    c.assume_nonnegative(c.shape_of(request.cos)[0] - total);
    request.ids = c.has(kPositions) ? c.operand(kPositions) : counting_from(c, past, sizes.length);
    request.ids_strides = {c.has(kPositions) ? sizes.length : 0, 1};
    for (size_t i = 0; i < 2; ++i) parts[i] = expand_rotary(c, request, parts[i], true);
  }
  for (ValueId& part : parts) part = c.transpose(part, {0, 2, 1, 3});
  AttentionRequest r;
  r.q = parts[0];
  r.k = concat(c, {c.operand(kPastKey), parts[1]}, 2);
  r.v = concat(c, {c.operand(kPastValue), parts[2]}, 2);
  c.result(1, r.k);
  c.result(2, r.v);
  attend(c, sizes, r);
}

void expand_group_query(ExpandContext& c) {
  refuse_quantised_cache(c);
  const Sizes sizes = sizes_of(c);
  if (sizes.open) return expand_open(c, sizes);
  auto parts = operands(c, sizes);
  const ValueId last = c.view(cast(c, c.operand(kLastKeys), DType::kI32), {Dim(sizes.batch)});
  const ValueId lengths = c.add("Add", {last, c.scalar(DType::kI32, 1)});
  if (c.attributes().integer("do_rotary", 0) != 0) {
    const RotaryRequest request = rotary(c, sizes, lengths);
    for (size_t i = 0; i < 2; ++i) parts[i] = expand_rotary(c, request, parts[i], true);
  }
  for (ValueId& part : parts) part = c.transpose(part, {0, 2, 1, 3});
  AttentionRequest r;
  r.q = parts[0];
  r.k = update(c, sizes, kPastKey, parts[1], lengths);
  r.v = update(c, sizes, kPastValue, parts[2], lengths);
  c.result(1, r.k);
  c.result(2, r.v);
  if (sizes.past > sizes.total) {
    r.k = c.slice(r.k, 2, 0, sizes.total);
    r.v = c.slice(r.v, 2, 0, sizes.total);
  }
  r.lengths = lengths;
  r.causal_lengths = !sizes.prompt();
  attend(c, sizes, r);
}

}  // namespace

void register_group_query(OpRegistry& registry) {
  registry.add_composite("GroupQueryAttention", "com.microsoft", expand_group_query);
}

}  // namespace vulcap::ops
