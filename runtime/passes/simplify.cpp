// Removes what changes nothing: identities, views of views, neutral elements, decided selections, undone
// transposes.
#include <algorithm>
#include <numeric>

#include "runtime/passes/pass.h"
#include "runtime/passes/rewrite.h"

namespace vulcap::passes {
namespace {

bool same_kind(const Matcher& m, ValueId a, ValueId b) {
  return m.value(a).dtype == m.value(b).dtype && m.shape(a) == m.shape(b);
}

// A graph output must keep a node of its own, so it is not replaced by a graph input or a constant.
bool may_replace(const Matcher& m, ValueId from, ValueId to) {
  return same_kind(m, from, to) && (!m.is_output(from) || (m.producer(to) != nullptr && !m.is_output(to)));
}

std::optional<Patch> drop_identity(Matcher& m, const Node& node) {
  const bool forward_slice =
      node.is("Slice") && (node.input(4) == kNoValue || m.is_splat(node.inputs[4], 1, 0));
  const bool identity =
      node.is("Identity") || (node.is("Dropout") && node.outputs.size() == 1) || node.is("View", "vulcap") ||
      (node.is("Cast") && m.value(node.inputs[0]).dtype == m.value(node.outputs[0]).dtype) ||
      node.is("Expand") || forward_slice || (node.is("Concat") && node.inputs.size() == 1);
  if (!identity || !may_replace(m, node.outputs[0], node.inputs[0])) return std::nullopt;
  return replace(node.outputs[0], node.inputs[0]);
}

std::optional<Patch> merge_views(Matcher& m, const Node& node) {
  if (!node.is("View", "vulcap")) return std::nullopt;
  const Node* inner = m.producer(node.inputs[0], "View", "vulcap");
  if (inner == nullptr) return std::nullopt;
  const core::SymShape to = m.shape(node.outputs[0]);
  return replace_with(node.outputs[0], m.make_view(node.name, inner->inputs[0], to));
}

std::optional<Patch> drop_neutral(Matcher& m, const Node& node) {
  if (!node.domain.empty() || node.inputs.size() != 2) return std::nullopt;
  const bool commutes = node.op == "Add" || node.op == "Mul";
  const bool product = node.op == "Mul" || node.op == "Div";
  if (!commutes && node.op != "Sub" && node.op != "Div") return std::nullopt;
  for (size_t i = commutes ? 0 : 1; i < 2; ++i) {
    const auto splat = m.splat(node.inputs[i]);
    const ValueId other = node.inputs[1 - i];
    if (splat && *splat == (product ? 1.0 : 0.0) && may_replace(m, node.outputs[0], other))
      return replace(node.outputs[0], other);
  }
  return std::nullopt;
}

std::optional<Patch> drop_neutral_logic(Matcher& m, const Node& node) {
  if (!node.is("And") && !node.is("Or")) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const auto splat = m.splat(node.inputs[i]);
    const ValueId other = node.inputs[1 - i];
    if (splat && (*splat != 0) == node.is("And") && may_replace(m, node.outputs[0], other))
      return replace(node.outputs[0], other);
  }
  return std::nullopt;
}

// f16 -> f32 -> f16 is exact.
std::optional<Patch> drop_cast_back(Matcher& m, const Node& node) {
  if (!node.is("Cast") || m.value(node.outputs[0]).dtype != core::DType::kF16) return std::nullopt;
  const Node* widened = m.producer(node.inputs[0], "Cast");
  if (widened == nullptr || m.value(node.inputs[0]).dtype != core::DType::kF32) return std::nullopt;
  if (!may_replace(m, node.outputs[0], widened->inputs[0])) return std::nullopt;
  return replace(node.outputs[0], widened->inputs[0]);
}

std::optional<Patch> decide_where(Matcher& m, const Node& node) {
  if (!node.is("Where")) return std::nullopt;
  const auto condition = m.splat(node.inputs[0]);
  if (!condition) return std::nullopt;
  const ValueId chosen = node.inputs[*condition != 0 ? 1 : 2];
  if (!may_replace(m, node.outputs[0], chosen)) return std::nullopt;
  return replace(node.outputs[0], chosen);
}

std::optional<Patch> drop_empty_concat_inputs(Matcher& m, const Node& node) {
  if (!node.is("Concat")) return std::nullopt;
  std::vector<ValueId> kept;
  for (ValueId in : node.inputs) {
    const auto& shape = m.shape(in);
    const bool empty = std::find(shape.begin(), shape.end(), core::Dim(0)) != shape.end();
    if (!empty) kept.push_back(in);
  }
  if (kept.empty() || kept.size() == node.inputs.size()) return std::nullopt;
  return replace_with(node.outputs[0], m.make("Concat", "", node.name, kept, node.attributes));
}

// One entry of an axis, as where query, key and value come out of one product: a view of the memory, which
// readers may take strides of.
std::optional<Patch> gather_to_slice(Matcher& m, const Node& node) {
  if (!node.is("Gather") || !m.shape(node.inputs[1]).empty()) return std::nullopt;
  const auto& index = m.value(node.inputs[1]).constant;
  const bool is_view =
      m.producer(node.inputs[0], "Transpose") || m.producer(node.inputs[0], "View", "vulcap");
  if (!index || !is_view) return std::nullopt;
  const core::SymShape from = m.shape(node.inputs[0]), to = m.shape(node.outputs[0]);
  int64_t axis = node.attributes.integer("axis", 0);
  if (axis < 0) axis += int64_t(from.size());
  if (!from[size_t(axis)].is_constant()) return std::nullopt;
  const int64_t size = from[size_t(axis)].value();
  const int64_t at = index->at_i64(0) < 0 ? index->at_i64(0) + size : index->at_i64(0);
  if (at < 0 || at >= size) return std::nullopt;
  const auto number = [&](int64_t n) {
    return m.graph().add_constant(node.name + "/at",
                                  core::Tensor::from<int64_t>(core::DType::kI64, {1}, {n}));
  };
  Node slice = m.make("Slice", "", node.name, {node.inputs[0], number(at), number(at + 1), number(axis)});
  Node view = m.make_view(node.name + "/view", slice.outputs[0], to);
  const ValueId result = view.outputs[0];
  return Patch{{std::move(slice), std::move(view)}, {{node.outputs[0], result}}};
}

std::vector<int64_t> permutation(const Node& node, size_t rank) {
  std::vector<int64_t> reversed(rank);
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  return node.attributes.integers("perm", reversed);
}

// A transpose that only moves axes of size 1 is a view.
std::optional<Patch> transpose_to_view(Matcher& m, const Node& node) {
  if (!node.is("Transpose")) return std::nullopt;
  const core::SymShape from = m.shape(node.inputs[0]);
  int64_t last = -1;
  for (int64_t axis : permutation(node, from.size())) {
    if (from[size_t(axis)] == core::Dim(1)) continue;
    if (axis < last) return std::nullopt;
    last = axis;
  }
  const core::SymShape to = m.shape(node.outputs[0]);
  return replace_with(node.outputs[0], m.make_view(node.name, node.inputs[0], to));
}

// Whether an integer value holds its own index along `axis`; trailing axes of size 1 are allowed.
bool counts_axis(const Matcher& m, ValueId value, size_t axis) {
  const core::SymShape& shape = m.shape(value);
  if (shape.at(axis) == core::Dim(1) && m.is_splat(value, 0, 0)) return true;
  const auto& form = m.value(value).fact.affine;
  if (!form || !(form->base == core::Dim(0))) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!(shape[i] == core::Dim(1)) && form->coefficients[i] != (i == axis ? 1 : 0)) return false;
  }
  return true;
}

// Exporters write whole masks through ScatterND: updates that name each position once are the result.
std::optional<Patch> scatter_everywhere(Matcher& m, const Node& node) {
  if (!node.is("ScatterND") || node.attributes.text("reduction", "none") != "none") return std::nullopt;
  const Node* indices = m.producer(node.inputs[1], "Concat");
  const size_t rank = m.shape(node.inputs[0]).size();
  const bool fits = indices != nullptr && indices->inputs.size() == rank &&
                    same_kind(m, node.inputs[0], node.inputs[2]) &&
                    may_replace(m, node.outputs[0], node.inputs[2]);
  if (!fits) return std::nullopt;
  for (size_t axis = 0; axis < rank; ++axis) {
    const core::SymShape& shape = m.shape(indices->inputs[axis]);
    if (shape.size() != rank + 1 || !(shape.back() == core::Dim(1))) return std::nullopt;
    if (!counts_axis(m, indices->inputs[axis], axis)) return std::nullopt;
  }
  return replace(node.outputs[0], node.inputs[2]);
}

std::optional<Patch> merge_transposes(Matcher& m, const Node& node) {
  if (!node.is("Transpose")) return std::nullopt;
  const Node* inner = m.producer(node.inputs[0], "Transpose");
  if (inner == nullptr) return std::nullopt;
  const size_t rank = m.shape(node.inputs[0]).size();
  const auto first = permutation(*inner, rank);
  std::vector<int64_t> both;
  for (int64_t axis : permutation(node, rank)) both.push_back(first[size_t(axis)]);
  const ValueId source = inner->inputs[0];
  const bool undone = std::is_sorted(both.begin(), both.end());
  if (undone)
    return may_replace(m, node.outputs[0], source) ? std::optional(replace(node.outputs[0], source))
                                                   : std::nullopt;
  graph::Attributes attributes;
  attributes.set("perm", both);
  return replace_with(node.outputs[0], m.make("Transpose", "", node.name, {source}, std::move(attributes)));
}

// A uniform operand of an element-wise node is read as one scalar, whatever its shape would be.
std::optional<Patch> shrink_splat(Matcher& m, const Node& node) {
  const bool mixes = node.is("Add") || node.is("Sub") || node.is("Mul") || node.is("Div");
  if (!mixes || m.value(node.outputs[0]).dtype != core::DType::kF32) return std::nullopt;
  if (m.splat(node.outputs[0])) return std::nullopt;  // its readers have better use for that
  for (size_t i = 0; i < 2; ++i) {
    const auto splat = m.splat(node.inputs[i]);
    const bool small = m.value(node.inputs[i]).constant && m.value(node.inputs[i]).constant->size() == 1;
    if (!splat || small || !(m.shape(node.inputs[1 - i]) == m.shape(node.outputs[0]))) continue;
    core::Tensor scalar = core::Tensor::from<float>(core::DType::kF32, {}, {float(*splat)});
    std::vector<ValueId> inputs = node.inputs;
    inputs[i] = m.graph().add_constant(node.name + "/splat", std::move(scalar));
    return replace_with(node.outputs[0], m.make(node.op, "", node.name, inputs, node.attributes));
  }
  return std::nullopt;
}

}  // namespace

int simplify(Graph& graph) {
  return apply_rules(graph, {drop_identity, merge_views, drop_neutral, drop_neutral_logic, drop_cast_back,
                             decide_where, drop_empty_concat_inputs, transpose_to_view, scatter_everywhere,
                             merge_transposes, gather_to_slice, shrink_splat});
}

}  // namespace vulcap::passes
