// softmax(scale * q k^T + mask) v becomes one node over strided operands, so that the reshapes and transposes
// around it go.
#include <cmath>

#include "runtime/ops/attention.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/strided_view.h"

namespace vulcap::passes {
namespace {

using core::Dim;

// Masked scores below this give a probability of exactly 0 beside any unmasked one (f16's lowest is -65504).
constexpr double kMaskedScore = -6e4;

struct Scores {
  ValueId q = kNoValue;
  ValueId k = kNoValue;  // [batch, heads, width, keys]
  ValueId mask = kNoValue;
  bool causal = false;
  double scale = 1;
};

// key - query <= keys - queries
bool is_causal(const Value& condition, const core::SymShape& scores) {
  const auto& form = condition.fact.at_most_zero;
  const size_t rank = scores.size();
  if (!form || form->coefficients.size() < 2) return false;
  const auto& c = form->coefficients;
  for (size_t i = 0; i + 2 < c.size(); ++i) {
    if (c[i] != 0) return false;
  }
  return c[c.size() - 1] == 1 && c[c.size() - 2] == -1 && form->base == scores[rank - 2] - scores[rank - 1];
}

bool is_causal_mask(const Matcher& m, ValueId mask, const core::SymShape& scores) {
  const Node* where = m.producer(mask, "Where");
  if (where == nullptr || !m.is_splat(where->inputs[1], 0, 0)) return false;
  const auto masked = m.splat(where->inputs[2]);
  return masked && *masked <= kMaskedScore && is_causal(m.value(where->inputs[0]), scores);
}

// Takes uniform factors off an operand.
ValueId peel_scale(const Matcher& m, ValueId value, double& scale) {
  for (;;) {
    const Node* node = m.producer(value);
    if (node == nullptr || !(node->is("Mul") || node->is("Div"))) return value;
    const auto parts = m.split_splat(*node);
    if (!parts || (node->is("Div") && parts->first != node->inputs[0])) return value;
    if (!(m.shape(parts->first) == m.shape(value))) return value;
    scale = node->is("Mul") ? scale * parts->second : scale / parts->second;
    value = parts->first;
  }
}

bool mask_fits(const Matcher& m, ValueId mask, const core::SymShape& scores) {
  const auto& shape = m.shape(mask);
  if (shape.size() > scores.size() || shape.empty() || !core::is_static(shape)) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dim& want = scores[scores.size() - shape.size() + i];
    const bool broadcast = shape[i] == Dim(1) && i + 1 < shape.size();
    if (!broadcast && !(shape[i] == want)) return false;
  }
  return m.value(mask).dtype != core::DType::kBool;
}

std::optional<Scores> match_scores(const Matcher& m, ValueId value) {
  Scores scores;
  const core::SymShape shape = m.shape(value);
  const Node* node = m.producer(value);
  if (node != nullptr && node->is("Where") && is_causal(m.value(node->inputs[0]), shape) &&
      m.splat(node->inputs[2]).value_or(0) <= kMaskedScore) {
    scores.causal = true;
    value = node->inputs[1];
    if (!(m.shape(value) == shape)) return std::nullopt;
  } else if (node != nullptr && node->is("Add") && !m.split_splat(*node)) {
    const size_t masked = m.producer(node->inputs[0], "MatMul") || m.producer(node->inputs[0], "Mul") ||
                                  m.producer(node->inputs[0], "Div")
                              ? 1
                              : 0;
    scores.causal = is_causal_mask(m, node->inputs[masked], shape);
    if (!scores.causal) {
      if (!mask_fits(m, node->inputs[masked], shape)) return std::nullopt;
      scores.mask = node->inputs[masked];
    }
    value = node->inputs[1 - masked];
    if (!(m.shape(value) == shape)) return std::nullopt;  // the mask broadcasts the scores
  }
  value = peel_scale(m, value, scores.scale);
  const Node* product = m.producer(value, "MatMul");
  if (product == nullptr || !m.single_use(value)) return std::nullopt;
  scores.q = peel_scale(m, product->inputs[0], scores.scale);
  scores.k = peel_scale(m, product->inputs[1], scores.scale);
  return scores;
}

// Where(IsNaN(p), 0, p): the kernel gives zeros for a row without keys anyway.
ValueId peel_nan_guard(const Matcher& m, ValueId value) {
  const Node* where = m.producer(value, "Where");
  if (where == nullptr || !m.is_splat(where->inputs[1], 0, 0)) return value;
  const Node* is_nan = m.producer(where->inputs[0], "IsNaN");
  return is_nan != nullptr && is_nan->inputs[0] == where->inputs[2] ? where->inputs[2] : value;
}

bool over_last_axis(const Matcher& m, const Node& softmax) {
  const int64_t rank = int64_t(m.shape(softmax.inputs[0]).size());
  const int64_t axis = softmax.attributes.integer("axis", -1);
  return axis == -1 || axis == rank - 1;
}

std::vector<int64_t> view_attribute(const StridedView& view, bool swap_last) {
  const size_t rank = view.strides.size();
  const int64_t heads = rank == 4 ? view.strides[1] : 0;
  return {view.offset, view.strides[0], heads, view.strides[swap_last ? rank - 1 : rank - 2]};
}

// [batch, head, query] strides; scores of rank 3 have no head axis.
std::vector<int64_t> mask_strides(const core::SymShape& shape, size_t scores_rank) {
  std::vector<int64_t> strides(3, 0);
  int64_t step = shape.back().value();
  for (size_t i = 1; i < shape.size(); ++i) {
    const Dim& size = shape[shape.size() - 1 - i];
    const size_t slot = scores_rank == 3 && i == 2 ? 0 : 3 - i;
    if (!(size == Dim(1))) strides[slot] = step;
    step *= size.value();
  }
  return strides;
}

bool usable(const StridedView& view, size_t width_axis) {
  if (!view.known || view.shape.size() < 3 || view.shape.size() > 4) return false;
  return view.strides[width_axis] == 1 || view.shape[width_axis] == Dim(1);
}

struct Operands {
  StridedView q, k, v;
};

std::optional<graph::Attributes> describe(const Operands& o, const Scores& scores) {
  const size_t rank = o.q.shape.size();
  const auto heads = [&](const StridedView& view) { return rank == 4 ? view.shape[1] : Dim(1); };
  core::SymShape dims{o.q.shape[0],        heads(o.q),          heads(o.k),  o.q.shape[rank - 2],
                      o.q.shape[rank - 1], o.v.shape[rank - 1], o.k.shape[0]};
  if (!core::is_static(dims) || !(o.k.shape[0] == o.v.shape[0]) || !(heads(o.k) == heads(o.v)))
    return std::nullopt;
  std::vector<int64_t> numbers;
  for (const Dim& dim : dims) numbers.push_back(dim.value());
  const bool divides =
      numbers[6] > 0 && numbers[2] > 0 && numbers[0] % numbers[6] == 0 && numbers[1] % numbers[2] == 0;
  if (!divides || numbers[0] == 0 || numbers[3] == 0) return std::nullopt;
  graph::Attributes attributes;
  attributes.set("dims", std::move(numbers));
  attributes.set("kv_len", o.v.shape[rank - 2].text());
  attributes.set("scale", float(scores.scale));
  attributes.set("causal", int64_t(scores.causal));
  attributes.set("q_view", view_attribute(o.q, false));
  attributes.set("k_view", view_attribute(o.k, true));
  attributes.set("v_view", view_attribute(o.v, false));
  return attributes;
}

std::optional<Patch> attention(Matcher& m, const Node& node) {
  if (!node.is("MatMul")) return std::nullopt;
  const size_t rank = m.shape(node.outputs[0]).size();
  const ValueId probabilities = peel_nan_guard(m, node.inputs[0]);
  const Node* softmax = m.producer(probabilities, "Softmax");
  if (softmax == nullptr || !over_last_axis(m, *softmax) || rank != m.shape(node.inputs[1]).size())
    return std::nullopt;
  const auto scores = match_scores(m, softmax->inputs[0]);
  if (!scores || m.shape(scores->q).size() != rank || m.shape(scores->k).size() != rank) return std::nullopt;
  const Operands operands{strided_view(m, scores->q), strided_view(m, scores->k),
                          strided_view(m, node.inputs[1])};
  if (!usable(operands.q, rank - 1) || !usable(operands.k, rank - 2) || !usable(operands.v, rank - 1))
    return std::nullopt;
  auto attributes = describe(operands, *scores);
  if (!attributes) return std::nullopt;
  if (scores->mask != kNoValue) attributes->set("mask_strides", mask_strides(m.shape(scores->mask), rank));

  // The transpose that brings heads behind positions is written by the kernel itself.
  const Node* transpose = rank == 4 ? m.only_reader(node.outputs[0]) : nullptr;
  const bool by_position = transpose != nullptr && transpose->is("Transpose") &&
                           transpose->attributes.integers("perm") == std::vector<int64_t>{0, 2, 1, 3};
  attributes->set("out_by_position", int64_t(by_position));
  const ValueId replaced = by_position ? transpose->outputs[0] : node.outputs[0];
  const core::SymShape to = m.shape(replaced);
  std::vector<ValueId> inputs{operands.q.root, operands.k.root, operands.v.root, scores->mask};
  if (scores->mask == kNoValue) inputs.pop_back();
  Node fused =
      m.make(std::string(ops::kAttention), "vulcap", node.name, std::move(inputs), std::move(*attributes));
  if (m.shape(fused.outputs[0]) == to) return replace_with(replaced, std::move(fused));
  Node view = m.make_view(node.name + "/view", fused.outputs[0], to);
  const ValueId result = view.outputs[0];
  return Patch{{std::move(fused), std::move(view)}, {{replaced, result}}};
}

}  // namespace

int fuse_attention(Graph& graph) { return apply_rules(graph, {attention}); }

}  // namespace vulcap::passes
