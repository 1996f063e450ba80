// LayerNormalization as exporters before opset 17 write it: (x - mean) / sqrt(mean((x - mean)^2) + epsilon) *
// scale + bias.
#include "runtime/passes/pass.h"
#include "runtime/passes/rewrite.h"

namespace vulcap::passes {
namespace {

// ReduceMean over the last axis, kept.
const Node* last_axis_mean(const Matcher& m, ValueId value) {
  const Node* mean = m.producer(value, "ReduceMean");
  if (mean == nullptr || mean->attributes.integer("keepdims", 1) == 0) return nullptr;
  const ValueId axes = mean->input(1);
  if (axes == kNoValue || !m.value(axes).constant || m.value(axes).constant->size() != 1) return nullptr;
  const int64_t axis = m.value(axes).constant->at_i64(0);
  return axis == -1 || axis + 1 == int64_t(m.shape(mean->inputs[0]).size()) ? mean : nullptr;
}

bool is_square_of(const Matcher& m, ValueId value, ValueId base) {
  if (const Node* pow = m.producer(value, "Pow"))
    return pow->inputs[0] == base && m.is_splat(pow->inputs[1], 2);
  const Node* mul = m.producer(value, "Mul");
  return mul != nullptr && mul->inputs[0] == base && mul->inputs[1] == base;
}

bool is_row_constant(const Matcher& m, ValueId value, const core::Dim& columns) {
  const auto& shape = m.shape(value);
  return m.value(value).constant && shape.size() == 1 && shape[0] == columns;
}

std::optional<Patch> layer_norm(Matcher& m, const Node& add) {
  if (!add.is("Add")) return std::nullopt;
  for (size_t b = 0; b < 2; ++b) {
    const Node* mul = m.producer(add.inputs[1 - b], "Mul");
    if (mul == nullptr || !m.single_use(mul->outputs[0])) continue;
    for (size_t s = 0; s < 2; ++s) {
      const Node* div = m.producer(mul->inputs[1 - s], "Div");
      if (div == nullptr) continue;
      const Node* sub = m.producer(div->inputs[0], "Sub");
      const Node* sqrt = m.producer(div->inputs[1], "Sqrt");
      const Node* shifted = sqrt == nullptr ? nullptr : m.producer(sqrt->inputs[0], "Add");
      if (sub == nullptr || shifted == nullptr) continue;
      const auto parts = m.split_splat(*shifted);
      const Node* variance = parts ? last_axis_mean(m, parts->first) : nullptr;
      const Node* mean = last_axis_mean(m, sub->inputs[1]);
      if (variance == nullptr || mean == nullptr || mean->inputs[0] != sub->inputs[0]) continue;
      if (!is_square_of(m, variance->inputs[0], div->inputs[0])) continue;
      const core::Dim columns = m.shape(sub->inputs[0]).back();
      if (!is_row_constant(m, mul->inputs[s], columns) || !is_row_constant(m, add.inputs[b], columns))
        continue;
      graph::Attributes attributes;
      attributes.set("axis", int64_t(-1));
      attributes.set("epsilon", float(parts->second));
      return replace_with(add.outputs[0],
                          m.make("LayerNormalization", "", add.name,
                                 {sub->inputs[0], mul->inputs[s], add.inputs[b]}, std::move(attributes)));
    }
  }
  return std::nullopt;
}

}  // namespace

int fuse_layer_norm(Graph& graph) { return apply_rules(graph, {layer_norm}); }

}  // namespace vulcap::passes
