// softmax(scale * q k^T + mask) v becomes one node over strided operands, so that the reshapes and transposes
// around it go; so do those around attention operators.
#include <cmath>

#include "runtime/ops/attention.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/strided_view.h"

namespace vulcap::passes {
namespace {

using core::Dim;

// Masked scores below this give a probability of exactly 0 beside any unmasked one (f16's lowest is -65504).
constexpr double kMaskedScore = -6e4;
constexpr int kMaxMasks = 4;

// Scores are kept where `condition` is `keep` and hidden elsewhere.
struct Hidden {
  ValueId condition = kNoValue;
  bool keep = true;
};

struct Scores {
  ValueId q = kNoValue;
  ValueId k = kNoValue;  // [batch, heads, width, keys]
  std::vector<ValueId> masks;
  std::vector<Hidden> hidden;
  bool causal = false;
  double scale = 1;
  double softcap = 0;
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

// What may be read as a mask of the scores: its axes are theirs or 1, and its rows are whole.
bool mask_fits(const Matcher& m, ValueId mask, const core::SymShape& scores) {
  const auto& shape = m.shape(mask);
  if (shape.size() > scores.size() || shape.empty() || !core::is_static(shape)) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dim& want = scores[scores.size() - shape.size() + i];
    const bool broadcast = shape[i] == Dim(1) && i + 1 < shape.size();
    if (!broadcast && !(shape[i] == want)) return false;
  }
  return true;
}

// fp16 files compute the softmax in fp32; the kernel does so anyway.
ValueId before_cast(const Matcher& m, ValueId value) {
  const Node* cast = m.producer(value, "Cast");
  const bool of_float = cast != nullptr && core::dtype_is_float(m.value(cast->inputs[0]).dtype) && m.single_use(value);
  return of_float ? cast->inputs[0] : value;
}

// scale * q k^T, or softcap * tanh(scale / softcap * q k^T).
std::optional<Scores> match_product(const Matcher& m, ValueId value) {
  Scores scores;
  const Node* mul = m.producer(value, "Mul");
  const auto parts = mul != nullptr ? m.split_splat(*mul) : std::nullopt;
  if (const Node* tanh = parts ? m.producer(parts->first, "Tanh") : nullptr) {
    scores.softcap = parts->second;
    scores.scale = parts->second;
    value = tanh->inputs[0];
  }
  value = peel_scale(m, value, scores.scale);
  const Node* product = m.producer(value, "MatMul");
  if (product == nullptr || !m.single_use(value)) return std::nullopt;
  scores.q = peel_scale(m, product->inputs[0], scores.scale);
  scores.k = peel_scale(m, product->inputs[1], scores.scale);
  return scores;
}

bool is_hidden_score(const Matcher& m, ValueId value) { return m.splat(value).value_or(0) <= kMaskedScore; }

std::optional<Scores> match_scores(const Matcher& m, ValueId value, int depth);

// Where(condition, scores, hidden) or Where(condition, hidden, scores)
std::optional<Scores> match_selection(const Matcher& m, const Node& where, int depth) {
  const core::SymShape shape = m.shape(where.outputs[0]);
  for (size_t i = 1; i <= 2; ++i) {
    if (!is_hidden_score(m, where.inputs[3 - i]) || !(m.shape(where.inputs[i]) == shape)) continue;
    const bool causal = i == 1 && is_causal(m.value(where.inputs[0]), shape);
    if (!causal && !mask_fits(m, where.inputs[0], shape)) continue;
    auto scores = match_scores(m, where.inputs[i], depth);
    if (!scores) continue;
    if (causal) {
      scores->causal = true;
    } else {
      scores->hidden.push_back({where.inputs[0], i == 1});
    }
    return scores;
  }
  return std::nullopt;
}

std::optional<Scores> match_masked(const Matcher& m, const Node& add, int depth) {
  const core::SymShape shape = m.shape(add.outputs[0]);
  for (size_t i = 0; i < 2; ++i) {
    const ValueId mask = add.inputs[1 - i];
    if (!(m.shape(add.inputs[i]) == shape)) continue;  // the mask broadcasts the scores
    const bool causal = is_causal_mask(m, mask, shape);
    if (!causal && !mask_fits(m, mask, shape)) continue;
    auto scores = match_scores(m, add.inputs[i], depth);
    if (!scores) continue;
    if (causal) {
      scores->causal = true;
    } else {
      scores->masks.push_back(mask);
    }
    return scores;
  }
  return std::nullopt;
}

std::optional<Scores> match_scores(const Matcher& m, ValueId value, int depth) {
  value = before_cast(m, value);
  const Node* node = m.producer(value);
  if (node == nullptr || depth == 0) return std::nullopt;
  if (node->is("Where")) return match_selection(m, *node, depth - 1);
  if (node->is("Add")) return match_masked(m, *node, depth - 1);
  return match_product(m, value);
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

// The node in place of `product`, whose value it computes. The transpose that brings heads behind positions is
// written by the kernel itself.
Patch attention_patch(Matcher& m, const Node& product, std::vector<ValueId> inputs, graph::Attributes attributes) {
  const size_t rank = m.shape(product.outputs[0]).size();
  const Node* transpose = rank == 4 ? m.only_reader(product.outputs[0]) : nullptr;
  const bool by_position = transpose != nullptr && transpose->is("Transpose") &&
                           transpose->attributes.integers("perm") == std::vector<int64_t>{0, 2, 1, 3};
  attributes.set("out_by_position", int64_t(by_position));
  const ValueId replaced = by_position ? transpose->outputs[0] : product.outputs[0];
  const core::SymShape to = m.shape(replaced);
  while (inputs.back() == kNoValue) inputs.pop_back();
  Node fused = m.make(std::string(ops::kAttention), "vulcap", product.name, std::move(inputs), std::move(attributes));
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

// All masks as one that is added to the scores; new nodes go to `nodes`.
ValueId one_mask(Matcher& m, const Scores& scores, const std::string& name, core::DType dtype,
                 std::vector<Node>& nodes) {
  ValueId sum = kNoValue;
  const auto make = [&](const char* op, std::vector<ValueId> inputs, graph::Attributes attributes = {}) {
    nodes.push_back(m.make(op, "", name + "/mask" + std::to_string(nodes.size()), std::move(inputs), std::move(attributes)));
    return nodes.back().outputs[0];
  };
  const auto add = [&](ValueId mask) { sum = sum == kNoValue ? mask : make("Add", {sum, mask}); };
  for (ValueId mask : scores.masks) {
    graph::Attributes to;
    to.set("to", int64_t(dtype));
    add(m.value(mask).dtype == dtype ? mask : make("Cast", {mask}, std::move(to)));
  }
  for (const Hidden& hidden : scores.hidden) {
    const auto number = [&](const char* what, double value) {
      core::Tensor scalar(dtype, {});
      ops::store_real(dtype, scalar.mutable_bytes().data(), 0, value);
      return m.graph().add_constant(name + what, std::move(scalar));
    };
    const ValueId seen = number("/seen", 0), unseen = number("/unseen", dtype == core::DType::kF16 ? -65504 : -1e38);
    add(make("Where", {hidden.condition, hidden.keep ? seen : unseen, hidden.keep ? unseen : seen}));
  }
  return sum;
}

std::optional<Patch> attention(Matcher& m, const Node& node) {
  if (!node.is("MatMul")) return std::nullopt;
  const size_t rank = m.shape(node.outputs[0]).size();
  const ValueId probabilities = peel_nan_guard(m, before_cast(m, node.inputs[0]));
  const Node* softmax = m.producer(probabilities, "Softmax");
  if (softmax == nullptr || !over_last_axis(m, *softmax) || rank != m.shape(node.inputs[1]).size())
    return std::nullopt;
  const auto scores = match_scores(m, softmax->inputs[0], kMaxMasks);
  if (!scores || m.shape(scores->q).size() != rank || m.shape(scores->k).size() != rank) return std::nullopt;
  const Operands operands{strided_view(m, scores->q), view_of_keys(m, scores->k),
                          strided_view(m, before_repeat(m, node.inputs[1]))};
  const core::DType dtype = m.value(operands.q.root).dtype;
  if (m.value(operands.k.root).dtype != dtype || m.value(operands.v.root).dtype != dtype) return std::nullopt;
  auto attributes = describe(operands);
  if (!attributes) return std::nullopt;
  attributes->set("scale", float(scores->scale));
  attributes->set("causal", int64_t(scores->causal));
  if (scores->softcap > 0) attributes->set("softcap", float(scores->softcap));
  std::vector<Node> nodes;
  const ValueId mask = one_mask(m, *scores, node.name, dtype, nodes);
  if (mask != kNoValue) attributes->set("mask_strides", mask_strides(m.shape(mask), rank));
  Patch patch = attention_patch(m, node, {operands.q.root, operands.k.root, operands.v.root, mask},
                                std::move(*attributes));
  patch.nodes.insert(patch.nodes.begin(), nodes.begin(), nodes.end());
  return patch;
}

// An attention node over whole operands reads the memory that they are views of.
std::optional<Patch> read_views(Matcher& m, const Node& node) {
  if (!node.is(ops::kAttention, "vulcap") || node.attributes.has("dims")) return std::nullopt;
  const Operands operands{strided_view(m, node.inputs[0]), strided_view(m, node.inputs[1]),
                          strided_view(m, node.inputs[2])};
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
  if (x.root == node.inputs[0] || !x.known || !core::is_static(x.shape) || x.strides[3] != 1) return std::nullopt;
  graph::Attributes attributes = node.attributes;
  std::vector<int64_t> dims;
  for (const Dim& dim : x.shape) dims.push_back(dim.value());
  attributes.set("x_dims", dims);
  attributes.set("x_view", std::vector<int64_t>{x.offset, x.strides[0], x.strides[1], x.strides[2]});
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = x.root;
  return replace_with(node.outputs[0], m.make(node.op, "vulcap", node.name, std::move(inputs), std::move(attributes)));
}

}  // namespace

int fuse_attention(Graph& graph) { return apply_rules(graph, {attention, read_views, rotate_view}); }

}  // namespace vulcap::passes
