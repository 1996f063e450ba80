// softmax(scale * q k^T + mask) v becomes one node over strided operands, so that the reshapes and transposes
// around it go; so do those around attention operators.
#include "runtime/ops/attention.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/passes/attention_scores.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/strided_view.h"

namespace vulcap::passes {
namespace {

using core::Dim;

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

std::vector<int64_t> view_attribute(const StridedView& view) {
  const size_t rank = view.strides.size();
  return {view.offset, view.strides[0], rank == 4 ? view.strides[1] : 0, view.strides[rank - 2]};
}

void swap_last_axes(StridedView& view) {
  const size_t rank = view.strides.size();
  if (!view.known || rank < 2) return;
  std::swap(view.strides[rank - 1], view.strides[rank - 2]);
  std::swap(view.shape[rank - 1], view.shape[rank - 2]);
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

bool usable(const StridedView& view) {
  if (!view.known || view.shape.size() < 3 || view.shape.size() > 4) return false;
  return view.strides.back() == 1 || view.shape.back() == Dim(1);
}

// Each [batch, heads, position, width], or without heads.
struct Operands {
  StridedView q, k, v;
};

// How the node reads its operands; nothing when it cannot.
std::optional<graph::Attributes> describe(const Operands& o) {
  if (!usable(o.q) || !usable(o.k) || !usable(o.v)) return std::nullopt;
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
  attributes.set("q_view", view_attribute(o.q));
  attributes.set("k_view", view_attribute(o.k));
  attributes.set("v_view", view_attribute(o.v));
  return attributes;
}

// The transpose behind a product that brings heads behind positions, or nullptr. dims: see vulcap.Attention.
const Node* transpose_behind(const Matcher& m, const Node& product, const std::vector<int64_t>& dims) {
  const Node* reader = m.only_reader(product.outputs[0]);
  if (reader != nullptr && reader->is("View", "vulcap") && m.shape(reader->outputs[0]).size() == 4 &&
      before_regrouping(m, reader->outputs[0]) == product.outputs[0])
    reader = m.only_reader(reader->outputs[0]);
  const bool found = reader != nullptr && reader->is("Transpose") &&
                     reader->attributes.integers("perm") == std::vector<int64_t>{0, 2, 1, 3} &&
                     m.shape(reader->inputs[0]) == core::SymShape{dims[0], dims[1], dims[3], dims[5]};
  return found ? reader : nullptr;
}

// The node in place of `product`, whose value it computes; it may write the transpose behind that as well.
Patch attention_patch(Matcher& m, const Node& product, std::vector<ValueId> inputs,
                      graph::Attributes attributes) {
  const Node* transpose = transpose_behind(m, product, attributes.integers("dims"));
  const bool by_position = transpose != nullptr;
  attributes.set("out_by_position", int64_t(by_position));
  const ValueId replaced = by_position ? transpose->outputs[0] : product.outputs[0];
  const core::SymShape to = m.shape(replaced);
  while (inputs.back() == kNoValue) inputs.pop_back();
  Node fused =
      m.make(std::string(ops::kAttention), "vulcap", product.name, std::move(inputs), std::move(attributes));
  if (m.shape(fused.outputs[0]) == to) return replace_with(replaced, std::move(fused));
  Node view = m.make_view(product.name + "/view", fused.outputs[0], to);
  const ValueId result = view.outputs[0];
  return Patch{{std::move(fused), std::move(view)}, {{replaced, result}}};
}

// x [batch, heads, position, width] when the value repeats each of its heads: View(Expand(View(x))).
ValueId before_repeat(const Matcher& m, ValueId value) {
  const Node* outer = m.producer(value, "View", "vulcap");
  const Node* expand = outer == nullptr ? nullptr : m.producer(outer->inputs[0], "Expand");
  const Node* inner = expand == nullptr ? nullptr : m.producer(expand->inputs[0], "View", "vulcap");
  if (inner == nullptr) return value;
  const auto &from = m.shape(inner->inputs[0]), &wide = m.shape(expand->outputs[0]), &to = m.shape(value);
  const bool repeats = from.size() == 4 && wide.size() == 5 && to.size() == 4 && from[0] == wide[0] &&
                       from[1] == wide[1] && from[2] == wide[3] && from[3] == wide[4] && to[0] == from[0] &&
                       to[1] == wide[1] * wide[2] && to[2] == from[2] && to[3] == from[3];
  return repeats ? inner->inputs[0] : value;
}

// Keys stand transposed in the product.
StridedView view_of_keys(const Matcher& m, ValueId k) {
  const Node* transpose = m.producer(k, "Transpose");
  if (transpose != nullptr && transpose->attributes.integers("perm") == std::vector<int64_t>{0, 1, 3, 2}) {
    const ValueId x = before_repeat(m, transpose->inputs[0]);
    if (x != transpose->inputs[0]) return strided_view(m, x);
  }
  StridedView view = strided_view(m, k);
  swap_last_axes(view);
  return view;
}

// The operand of a product over [batch * heads, ...] as [batch, heads, ...].
StridedView regrouped(StridedView view, const core::SymShape& scores) {
  if (!view.known || scores.size() != 4 || view.shape.size() != 3) return view;
  if (view.shape[0] == scores[0] * scores[1])
    view.known = reshape_view(view, {scores[0], scores[1], view.shape[1], view.shape[2]});
  return view;
}

// All masks as one that is added to the scores; new nodes go to `nodes`.
ValueId one_mask(Matcher& m, const Scores& scores, const std::string& name, const core::SymShape& to,
                 core::DType dtype, std::vector<Node>& nodes) {
  ValueId sum = kNoValue;
  const auto grouped = [&](ValueId mask) {
    const core::SymShape shape = m.shape(mask);
    const bool merged =
        to.size() == 4 && shape.size() == 3 && !(shape[0] == Dim(1)) && shape[0] == to[0] * to[1];
    if (!merged) return mask;
    nodes.push_back(
        m.make_view(name + "/mask" + std::to_string(nodes.size()), mask, {to[0], to[1], shape[1], shape[2]}));
    return nodes.back().outputs[0];
  };
  const auto make = [&](const char* op, std::vector<ValueId> inputs, graph::Attributes attributes = {}) {
    nodes.push_back(m.make(op, "", name + "/mask" + std::to_string(nodes.size()), std::move(inputs),
                           std::move(attributes)));
    return nodes.back().outputs[0];
  };
  const auto add = [&](ValueId mask) { sum = sum == kNoValue ? mask : make("Add", {sum, mask}); };
  for (ValueId given : scores.masks) {
    graph::Attributes target;
    target.set("to", int64_t(dtype));
    const ValueId mask = grouped(given);
    add(m.value(mask).dtype == dtype ? mask : make("Cast", {mask}, std::move(target)));
  }
  for (const Hidden& hidden : scores.hidden) {
    const auto number = [&](const char* what, double value) {
      core::Tensor scalar(dtype, {});
      ops::store_real(dtype, scalar.mutable_bytes().data(), 0, value);
      return m.graph().add_constant(name + what, std::move(scalar));
    };
    const ValueId seen = number("/seen", 0),
                  unseen = number("/unseen", dtype == core::DType::kF16 ? -65504 : -1e38);
    add(make("Where", {grouped(hidden.condition), hidden.keep ? seen : unseen, hidden.keep ? unseen : seen}));
  }
  return sum;
}

std::optional<Patch> attention(Matcher& m, const Node& node) {
  if (!node.is("MatMul")) return std::nullopt;
  const size_t rank = m.shape(node.outputs[0]).size();
  const ValueId probabilities = peel_nan_guard(m, before_regrouping(m, before_cast(m, node.inputs[0])));
  const Node* softmax = m.producer(probabilities, "Softmax");
  if (softmax == nullptr || !over_last_axis(m, *softmax) || rank != m.shape(node.inputs[1]).size())
    return std::nullopt;
  const auto scores = match_scores(m, softmax->inputs[0]);
  if (!scores || m.shape(scores->q).size() != rank || m.shape(scores->k).size() != rank) return std::nullopt;
  const core::SymShape to = m.shape(softmax->inputs[0]);
  const Operands operands{regrouped(strided_view(m, scores->q), to),
                          regrouped(view_of_keys(m, scores->k), to),
                          regrouped(strided_view(m, before_repeat(m, node.inputs[1])), to)};
  if (operands.q.shape.size() != to.size() || operands.k.shape.size() != to.size() ||
      operands.v.shape.size() != to.size())
    return std::nullopt;
  const core::DType dtype = m.value(operands.q.root).dtype;
  if (m.value(operands.k.root).dtype != dtype || m.value(operands.v.root).dtype != dtype) return std::nullopt;
  auto attributes = describe(operands);
  if (!attributes) return std::nullopt;
  attributes->set("scale", float(scores->scale));
  attributes->set("causal", int64_t(scores->causal));
  if (scores->softcap > 0) attributes->set("softcap", float(scores->softcap));
  std::vector<Node> nodes;
  const ValueId mask = one_mask(m, *scores, node.name, to, dtype, nodes);
  if (mask != kNoValue) attributes->set("mask_strides", mask_strides(m.shape(mask), to.size()));
  Patch patch = attention_patch(m, node, {operands.q.root, operands.k.root, operands.v.root, mask},
                                std::move(*attributes));
  patch.nodes.insert(patch.nodes.begin(), nodes.begin(), nodes.end());
  return patch;
}

// An attention node over whole operands reads the memory that they are views of.
std::optional<Patch> read_views(Matcher& m, const Node& node) {
  if (!node.is(ops::kAttention, "vulcap") || node.attributes.has("dims")) return std::nullopt;
  const Operands operands{strided_view(m, node.inputs[0]), strided_view(m, before_repeat(m, node.inputs[1])),
                          strided_view(m, before_repeat(m, node.inputs[2]))};
  auto views = describe(operands);
  if (!views) return std::nullopt;
  graph::Attributes attributes = node.attributes;
  for (const auto& [name, value] : views->all()) attributes.set(name, value);
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = operands.q.root;
  inputs[1] = operands.k.root;
  inputs[2] = operands.v.root;
  return attention_patch(m, node, std::move(inputs), std::move(attributes));
}

std::optional<Patch> rotate_view(Matcher& m, const Node& node) {
  if (!node.is(ops::kRotary, "vulcap") || node.attributes.has("x_view")) return std::nullopt;
  const StridedView x = strided_view(m, node.inputs[0]);
  if (x.root == node.inputs[0] || !x.known || !core::is_static(x.shape) || x.strides[3] != 1)
    return std::nullopt;
  graph::Attributes attributes = node.attributes;
  std::vector<int64_t> dims;
  for (const Dim& dim : x.shape) dims.push_back(dim.value());
  attributes.set("x_dims", dims);
  attributes.set("x_view", std::vector<int64_t>{x.offset, x.strides[0], x.strides[1], x.strides[2]});
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = x.root;
  return replace_with(node.outputs[0],
                      m.make(node.op, "vulcap", node.name, std::move(inputs), std::move(attributes)));
}

}  // namespace

int fuse_attention(Graph& graph) { return apply_rules(graph, {attention, read_views, rotate_view}); }

}  // namespace vulcap::passes
