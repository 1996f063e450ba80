// FlexAttention-1 of ai.onnx.preview: attention whose scores and probabilities pass through graphs of their
// own.
#include <cmath>
#include <memory>

#include "runtime/ops/attention_expansion.h"

namespace vulcap::ops {
namespace {

ValueId through(ExpandContext& c, const char* attribute, ValueId x) {
  const graph::Attribute* found = c.attributes().find(attribute);
  if (found == nullptr) return x;
  const auto* body = std::get_if<std::shared_ptr<const Graph>>(found);
  if (body == nullptr) c.fail(std::string(attribute) + " must be a graph");
  return c.inlined(**body, {x}).at(0);
}

void expand_flex_attention(ExpandContext& c) {
  const Dim heads = c.shape(0).at(1), width = c.shape(0).at(3);
  const float fallback = width.is_constant() ? float(1 / std::sqrt(double(width.value()))) : 1;
  const DType precise = DType(c.attributes().integer("softmax_precision", int64_t(DType::kF32)));
  const DType dtype = c.dtype(0), inner = dtype == DType::kF64 ? dtype : precise;
  const auto operand = [&](size_t i) { return cast(c, repeat_heads(c, c.operand(i), heads), inner); };
  const ValueId product = c.add("MatMul", {operand(0), c.transpose(operand(1), {0, 1, 3, 2})});
  const ValueId scores = c.add("Mul", {product, c.scalar(inner, c.attributes().real("scale", fallback))});
  const ValueId changed = through(c, "score_mod", cast(c, scores, dtype));
  const ValueId weights = c.add("Softmax", {cast(c, changed, inner)});
  const ValueId probabilities = cast(c, through(c, "prob_mod", cast(c, weights, dtype)), inner);
  c.result(0, cast(c, c.add("MatMul", {probabilities, operand(2)}), dtype));
}

}  // namespace

void register_flex_attention(OpRegistry& registry) {
  registry.add_composite("FlexAttention", "ai.onnx.preview", expand_flex_attention);
}

}  // namespace vulcap::ops
