// Attention-24 of ai.onnx, written with vulcap.Attention.
#include <cmath>
#include <limits>

#include "runtime/ops/attention_expansion.h"

namespace vulcap::ops {
namespace {

enum Input : size_t { kQ, kK, kV, kMask, kPastKey, kPastValue, kKeyLengths };

ValueId with_heads(ExpandContext& c, size_t input, std::string_view heads) {
  if (c.rank(input) == 4) return c.operand(input);
  const int64_t count = c.attributes().integer(heads, 0);
  if (count <= 0) c.fail("operands of 3 axes need " + std::string(heads));
  return split_heads(c, c.operand(input), count);
}

// The mask as numbers to add, of 4 axes, with a column for each key.
ValueId mask_of(ExpandContext& c, DType dtype, const Dim& keys) {
  if (!c.has(kMask)) return graph::kNoValue;
  ValueId mask = c.operand(kMask);
  const double hidden = -std::numeric_limits<double>::infinity();
  if (c.dtype(kMask) == DType::kBool) {
    mask = additive_mask(c, mask, dtype, hidden);
  } else if (c.dtype(kMask) != dtype) {
    c.fail("the mask must be bool or of the query's dtype");
  }
  mask = with_rank(c, mask, 4);
  SymShape shape = c.shape_of(mask);
  if (shape[3] == keys) return mask;
  const core::Shape size = c.static_shape(mask);
  if (!keys.is_constant() || size[3] > keys.value())
    c.fail("a mask of " + shape[3].text() + " columns does not fit " + keys.text() + " keys");
  const ValueId rest = c.add(
      "Expand", {c.scalar(dtype, hidden), c.integers({size[0], size[1], size[2], keys.value() - size[3]})});
  return concat(c, {mask, rest}, 3);
}

Scores scores_of(ExpandContext& c) {
  if (!c.wants(3)) return Scores::kNone;
  switch (c.attributes().integer("qk_matmul_output_mode", 0)) {
    case 0:
      return Scores::kRaw;
    case 1:
      return Scores::kCapped;
    case 2:
      return Scores::kMasked;
    case 3:
      return Scores::kProbabilities;
    default:
      c.fail("qk_matmul_output_mode must be 0 to 3");
  }
}

void expand_attention_onnx(ExpandContext& c) {
  AttentionRequest r;
  r.q = with_heads(c, kQ, "q_num_heads");
  r.k = with_heads(c, kK, "kv_num_heads");
  r.v = with_heads(c, kV, "kv_num_heads");
  const Dim new_keys = c.shape_of(r.k)[2];
  if (c.has(kPastKey) != c.has(kPastValue)) c.fail("past_key and past_value go together");
  if (c.has(kPastKey)) {
    r.k = concat(c, {c.operand(kPastKey), r.k}, 2);
    r.v = concat(c, {c.operand(kPastValue), r.v}, 2);
  }
  c.result(1, r.k);
  c.result(2, r.v);
  r.mask = mask_of(c, c.dtype(kQ), c.shape_of(r.k)[2]);
  if (c.has(kKeyLengths)) r.lengths = cast(c, c.operand(kKeyLengths), DType::kI32);
  const Dim width = c.shape_of(r.q)[3];
  r.scale =
      c.attributes().real("scale", width.is_constant() ? float(1 / std::sqrt(double(width.value()))) : 1);
  r.softcap = c.attributes().real("softcap", 0);
  // The first of the new queries sees the past and the first of the new keys.
  if (c.attributes().integer("is_causal", 0) != 0) r.new_keys = new_keys.value();
  r.scores = scores_of(c);
  const AttentionResult result = expand_attention(c, r);
  c.result(0, c.rank(kQ) == 3 ? merge_heads(c, result.output) : result.output);
  if (r.scores != Scores::kNone) c.result(3, result.scores);
}

}  // namespace

void register_attention_onnx(OpRegistry& registry) {
  registry.add_composite("Attention", "", expand_attention_onnx);
}

}  // namespace vulcap::ops
