#include "runtime/passes/open_shapes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <numeric>
#include <optional>

#include "runtime/core/error.h"
#include "runtime/ops/op_registry.h"
#include "runtime/passes/fold.h"

namespace vulcap::passes {
namespace {

using core::Dim;
using core::DType;
using core::SymShape;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Value;
using graph::ValueId;

template <size_t N>
bool among(const Node& node, const std::array<std::string_view, N>& names) {
  return node.domain.empty() && std::find(names.begin(), names.end(), node.op) != names.end();
}

constexpr std::array<std::string_view, 20> kBroadcasting = {
    "Add",   "Sub",   "Mul",   "Div", "Pow",  "Mod",         "Min",     "Max",
    "Sum",   "And",   "Or",    "Xor", "Less", "LessOrEqual", "Greater", "GreaterOrEqual",
    "Equal", "Where", "PRelu", "Mean"};
constexpr std::array<std::string_view, 6> kWindows = {"Conv",        "MaxPool",           "AveragePool",
                                                      "ConvInteger", "GlobalAveragePool", "GlobalMaxPool"};

constexpr std::string_view kOneOr = "$one_or_";

// Whether the size is `other` or 1.
bool is_one_or(const Dim& dim, const Dim& other) { return dim.text() == std::string(kOneOr) + other.text(); }

// The size of an axis along which all of `dims` are read together.
Dim broadcast_size(const std::vector<Dim>& dims) {
  Dim size(1);
  for (const Dim& dim : dims) {
    if (dim == Dim(1) || dim == size || is_one_or(dim, size)) continue;
    if (size == Dim(1) || is_one_or(size, dim) || (dim.is_constant() && !size.is_constant())) {
      size = dim;
    } else if (!dim.is_constant()) {
      size = size.is_constant() ? size : new_symbol();
    }
  }
  return size;
}

// The shape rule of a node, or those of the nodes that it stands for.
void infer_expanded(Graph& graph, const Node& node) {
  const ops::OpDef* def = ops::op_registry().find(node.domain, node.op);
  if (def == nullptr || def->expand == nullptr) return ops::infer_node(graph, node);
  ops::expand_node(graph, node, [&](Node part) {
    infer_expanded(graph, part);
    fold(graph, part);
  });
}

// Infers `node` on operands of other shapes than their own.
class Assumed {
 public:
  Assumed(Graph& graph, const Node& node) : graph_(graph), node_(node) {
    for (const ValueId in : node.inputs) {
      if (in == kNoValue) continue;
      known_ = known_ && graph.value(in).shape.has_value();
      shapes_.push_back(graph.value(in).shape.value_or(SymShape{}));
    }
  }

  bool known() const { return known_; }
  std::vector<SymShape>& shapes() { return shapes_; }

  // Axes counted from the last, without the `skipped` last ones.
  void broadcast(size_t skipped) {
    size_t rank = 0;
    for (const SymShape& shape : shapes_) rank = std::max(rank, shape.size());
    for (size_t axis = skipped; axis < rank; ++axis) {
      std::vector<Dim> dims;
      for (const SymShape& shape : shapes_)
        if (axis < shape.size()) dims.push_back(shape[shape.size() - 1 - axis]);
      const Dim size = broadcast_size(dims);
      for (SymShape& shape : shapes_) {
        if (axis >= shape.size()) continue;
        Dim& dim = shape[shape.size() - 1 - axis];
        if (!(dim == Dim(1))) dim = dim.is_constant() ? dim : size;
      }
    }
  }

  bool infer() {
    Graph scratch;
    Node node = node_;
    size_t next = 0;
    for (ValueId& in : node.inputs) {
      if (in == kNoValue) continue;
      Value value = graph_.value(in);
      value.shape = shapes_[next++];
      value.fact = {};
      value.fact.splat = graph_.value(in).fact.splat;
      in = scratch.add_value(std::move(value));
    }
    for (ValueId& out : node.outputs) out = out == kNoValue ? kNoValue : scratch.add_value({});
    try {
      infer_expanded(scratch, node);
    } catch (const core::Error&) {
      return false;
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      const Value& found = scratch.value(node.outputs[i]);
      if (!found.shape || found.dtype == DType::kUndefined) return false;
      Value& value = graph_.value(node_.outputs[i]);
      value.dtype = found.dtype;
      value.shape = found.shape;
      value.fact.splat = found.fact.splat;
    }
    return scratch.guards.empty();
  }

 private:
  Graph& graph_;
  const Node& node_;
  bool known_ = true;
  std::vector<SymShape> shapes_;
};

bool set_output(Graph& graph, const Node& node, DType dtype, SymShape shape) {
  Value& value = graph.value(node.outputs.at(0));
  value.dtype = dtype;
  value.shape = std::move(shape);
  return node.outputs.size() == 1 && dtype != DType::kUndefined;
}

SymShape new_symbols(size_t rank) {
  SymShape shape;
  for (size_t i = 0; i < rank; ++i) shape.push_back(new_symbol());
  return shape;
}

bool infer_matmul(Graph& graph, const Node& node) {
  Assumed assumed(graph, node);
  auto& shapes = assumed.shapes();
  if (!assumed.known() || shapes.size() != 2 || shapes[0].size() < 2 || shapes[1].size() < 2) return false;
  Dim& left = shapes[0].back();
  Dim& right = shapes[1][shapes[1].size() - 2];
  (left.is_constant() ? right : left) = left.is_constant() ? left : right;
  assumed.broadcast(2);
  return assumed.infer();
}

bool infer_window(Graph& graph, const Node& node, const SymShape& from) {
  if (from.size() < 2) return false;
  SymShape to = new_symbols(from.size());
  to[0] = from[0];
  to[1] = from[1];
  const bool weighted = node.op.starts_with("Conv");
  if (weighted) {
    const auto& weight = graph.value(node.inputs.at(1)).shape;
    if (!weight || weight->size() != from.size()) return false;
    to[1] = (*weight)[0];
  }
  const DType dtype = node.op == "ConvInteger" ? DType::kI32 : graph.value(node.inputs[0]).dtype;
  return set_output(graph, node, dtype, std::move(to));
}

// Axes that are cut get new symbols.
bool infer_slice(Graph& graph, const Node& node, const SymShape& from) {
  SymShape to = from;
  std::vector<int64_t> axes(from.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (node.input(3) != kNoValue) {
    const auto& given = graph.value(node.inputs[3]).constant;
    if (!given) return set_output(graph, node, graph.value(node.inputs[0]).dtype, new_symbols(from.size()));
    axes.clear();
    for (size_t i = 0; i < given->size(); ++i) axes.push_back(given->at_i64(i));
  }
  for (int64_t axis : axes) {
    if (axis < 0) axis += int64_t(from.size());
    if (axis < 0 || axis >= int64_t(from.size())) return false;
    to[size_t(axis)] = new_symbol();
  }
  return set_output(graph, node, graph.value(node.inputs[0]).dtype, std::move(to));
}

bool infer_concat(Graph& graph, const Node& node) {
  std::vector<SymShape> shapes;
  for (const ValueId in : node.inputs) {
    const Value& value = graph.value(in);
    if (!value.shape || (!shapes.empty() && value.shape->size() != shapes[0].size())) return false;
    shapes.push_back(*value.shape);
  }
  int64_t axis = node.attributes.integer("axis", 0);
  if (axis < 0) axis += int64_t(shapes.at(0).size());
  if (axis < 0 || axis >= int64_t(shapes[0].size())) return false;
  SymShape to = shapes[0];
  for (size_t i = 1; i < shapes.size(); ++i) {
    for (size_t k = 0; k < to.size(); ++k) {
      if (k == size_t(axis)) {
        to[k] = to[k] + shapes[i][k];
      } else if (!to[k].is_constant()) {
        to[k] = shapes[i][k];
      }
    }
  }
  return set_output(graph, node, graph.value(node.inputs[0]).dtype, std::move(to));
}

// The number of elements of a one-dimensional operand: the rank that it asks for.
std::optional<size_t> length_of(const Graph& graph, ValueId id) {
  if (id == kNoValue) return std::nullopt;
  const auto& shape = graph.value(id).shape;
  if (!shape || shape->size() != 1 || !(*shape)[0].is_constant()) return std::nullopt;
  return size_t((*shape)[0].value());
}

bool infer_rank(Graph& graph, const Node& node) {
  const DType dtype = graph.value(node.inputs.at(0)).dtype;
  if (node.is("Range")) return set_output(graph, node, dtype, new_symbols(1));
  if (node.is("ConstantOfShape")) {
    const auto* value = node.attributes.find("value");
    const auto* tensor = value == nullptr ? nullptr : std::get_if<core::Tensor>(value);
    const auto length = length_of(graph, node.inputs[0]);
    return length &&
           set_output(graph, node, tensor == nullptr ? DType::kF32 : tensor->dtype(), new_symbols(*length));
  }
  const auto length = length_of(graph, node.input(1));
  if (node.is("Reshape")) return length && set_output(graph, node, dtype, new_symbols(*length));
  const auto& from = graph.value(node.inputs[0]).shape;
  if (!from) return false;
  if (node.is("NonZero")) {
    return set_output(graph, node, DType::kI64, {Dim(int64_t(from->size())), new_symbol()});
  }
  if (node.is("Expand"))
    return length && set_output(graph, node, dtype, new_symbols(std::max(*length, from->size())));
  const bool same_rank = node.is("Resize") || node.is("Pad") || node.is("Tile");
  return same_rank && set_output(graph, node, dtype, new_symbols(from->size()));
}

bool infer_composite(Graph& graph, const Node& node) {
  Assumed same(graph, node);
  return same.known() && same.infer();
}

}  // namespace

Dim new_symbol() {
  static std::atomic<uint64_t> next{0};
  return Dim::symbol("$open" + std::to_string(next++));
}

Dim one_or(const Dim& symbol) { return Dim::symbol(std::string(kOneOr) + symbol.text()); }

Dim either_dim(const Dim& a, const Dim& b) { return a == b ? a : new_symbol(); }

bool infer_open(Graph& graph, const Node& node) {
  if (node.inputs.empty() || node.inputs[0] == kNoValue) return false;
  const ops::OpDef* def = ops::op_registry().find(node.domain, node.op);
  if (def != nullptr && def->expand != nullptr) return infer_composite(graph, node);
  if (!node.domain.empty()) return false;
  if (among(node, kBroadcasting)) {
    Assumed assumed(graph, node);
    if (!assumed.known()) return false;
    assumed.broadcast(0);
    return assumed.infer();
  }
  if (node.is("MatMul")) return infer_matmul(graph, node);
  if (node.is("Concat")) return infer_concat(graph, node);
  const auto from = graph.value(node.inputs[0]).shape;
  if (from && among(node, kWindows)) return infer_window(graph, node, *from);
  if (from && node.is("Slice")) return infer_slice(graph, node, *from);
  return infer_rank(graph, node);
}

}  // namespace vulcap::passes
