// com.microsoft EmbedLayerNormalization-1 and QEmbedLayerNormalization-1: sums of embeddings, normalised.
#include <numeric>

#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

Attributes with(const char* name, int64_t value) {
  Attributes attributes;
  attributes.set(name, value);
  return attributes;
}

// 0, 1, ... for each position of ids [batch, length].
ValueId positions(ExpandContext& c) {
  std::vector<int64_t> numbers(size_t(c.static_shape(c.operand(0)).at(1)));
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  return c.integers(numbers);
}

// mask_index i32[batch]: how many entries of the mask are 1; 0 without a mask.
ValueId count_unmasked(ExpandContext& c, ValueId mask) {
  const core::Shape ids = c.static_shape(c.operand(0));
  if (mask == graph::kNoValue) return c.constant(core::Tensor(DType::kI32, {ids.at(0)}));
  const ValueId ones = c.add("Equal", {mask, c.scalar(DType::kI32, 1)});
  const ValueId counted = c.add("Cast", {ones}, with("to", int64_t(DType::kI32)));
  return c.add("ReduceSum", {counted, c.integers({1})}, with("keepdims", 0));
}

void finish(ExpandContext& c, ValueId sum, ValueId gamma, ValueId beta, ValueId mask) {
  Attributes attributes = with("axis", -1);
  attributes.set("epsilon", c.attributes().real("epsilon", 1e-12f));
  c.result(0, c.add("LayerNormalization", {sum, gamma, beta}, std::move(attributes)));
  if (c.wants(1)) c.result(1, count_unmasked(c, mask));
  if (c.wants(2)) c.result(2, sum);
}

// ids, segments?, word, position, segment?, gamma, beta, mask?, position_ids?
void expand_embed(ExpandContext& c) {
  const ValueId rows = c.operand(8) != graph::kNoValue ? c.operand(8) : positions(c);
  ValueId sum =
      c.add("Add", {c.add("Gather", {c.operand(2), c.operand(0)}), c.add("Gather", {c.operand(3), rows})});
  if (c.operand(1) != graph::kNoValue)
    sum = c.add("Add", {sum, c.add("Gather", {c.operand(4), c.operand(1)})});
  finish(c, sum, c.operand(5), c.operand(6), c.operand(7));
}

// Rows of a quantised table at operand `table`, with scale and zero point at `scale` and `zero`.
ValueId dequantised_rows(ExpandContext& c, size_t table, ValueId rows, size_t scale, size_t zero) {
  const ValueId picked = c.add("Gather", {c.operand(table), rows});
  return c.add("DequantizeLinear", {picked, c.operand(scale), c.operand(zero)});
}

// ids, segments?, word, position, segment?, gamma, beta, mask?, then scales and zero points of word,
// position, segment, gamma and beta
void expand_quantised_embed(ExpandContext& c) {
  ValueId sum = c.add(
      "Add", {dequantised_rows(c, 2, c.operand(0), 8, 13), dequantised_rows(c, 3, positions(c), 9, 14)});
  if (c.operand(1) != graph::kNoValue)
    sum = c.add("Add", {sum, dequantised_rows(c, 4, c.operand(1), 10, 15)});
  const ValueId gamma = c.add("DequantizeLinear", {c.operand(5), c.operand(11), c.operand(16)});
  const ValueId beta = c.add("DequantizeLinear", {c.operand(6), c.operand(12), c.operand(17)});
  finish(c, sum, gamma, beta, c.operand(7));
}

}  // namespace

void register_embed_layer_norm(OpRegistry& registry) {
  registry.add_composite("EmbedLayerNormalization", "com.microsoft", expand_embed);
  registry.add_composite("QEmbedLayerNormalization", "com.microsoft", expand_quantised_embed);
}

}  // namespace vulcap::ops
