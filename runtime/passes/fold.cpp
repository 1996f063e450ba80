#include "runtime/passes/fold.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/core/half.h"
#include "runtime/ops/evaluate.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::passes {
namespace {

using core::Dim;
using core::DType;
using core::Tensor;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Value;
using graph::ValueId;

// A folded result larger than its inputs and than this many bytes stays a node.
constexpr size_t kMaxFoldGrowth = size_t(1) << 20;

std::optional<Tensor> scalar_tensor(DType dtype, double value) {
  Tensor tensor(dtype, {});
  auto bytes = tensor.mutable_bytes();
  auto store = [&](auto typed) { std::memcpy(bytes.data(), &typed, sizeof typed); };
  switch (dtype) {
    case DType::kF32:
      store(float(value));
      break;
    case DType::kF64:
      store(value);
      break;
    case DType::kF16:
      store(core::float_to_half(float(value)));
      break;
    case DType::kI64:
      store(int64_t(value));
      break;
    case DType::kI32:
      store(int32_t(value));
      break;
    case DType::kBool:
      store(uint8_t(value != 0));
      break;
    default:
      return std::nullopt;
  }
  return tensor;
}

bool element_wise(const Node& node) {
  static constexpr std::array kNames = {
      "Add",     "Sub", "Mul", "Div",  "Pow",  "Sqrt", "Neg",   "Cast",       "Where",
      "Not",     "And", "Or",  "Less", "Min",  "Max",  "Equal", "IsNaN",      "LessOrEqual",
      "Greater", "Exp", "Log", "Abs",  "Tanh", "Erf",  "Xor",   "Reciprocal", "GreaterOrEqual"};
  return node.domain.empty() && std::find(kNames.begin(), kNames.end(), node.op) != kNames.end();
}

// The shape rule itself may have computed everything.
bool is_constant(const Graph& graph, const Node& node) {
  return std::all_of(node.outputs.begin(), node.outputs.end(),
                     [&](ValueId out) { return out == kNoValue || graph.value(out).constant; });
}

// Integer results that shape arithmetic knows completely become constants.
bool fold_sizes(Graph& graph, const Node& node) {
  for (ValueId out : node.outputs) {
    if (out == kNoValue) continue;
    const Value& value = graph.value(out);
    const auto& ints = value.fact.ints;
    const bool known = ints && core::is_static(*ints) &&
                       (core::dtype_is_integer(value.dtype) || value.dtype == DType::kBool);
    if (!known) return false;
  }
  for (ValueId out : node.outputs) {
    if (out == kNoValue) continue;
    Value& value = graph.value(out);
    core::Shape shape;
    for (const Dim& dim : *value.shape) shape.push_back(dim.value());
    value.constant = ops::integers_tensor(value.dtype, shape, *value.fact.ints);
  }
  return true;
}

// The weights of quantised models stay as they are stored; products and gathers read them so.
bool dequantises_weights(const Graph& graph, const Node& node) {
  if (node.op != "DequantizeLinear") return false;
  const Value& weights = graph.value(node.inputs[0]);
  return weights.shape->size() >= 2 && core::dtype_bits(weights.dtype) <= 8;
}

// It takes no operands, yet its numbers follow from an open size.
bool counts_from_open(const Node& node) {
  return node.is("Iota", "vulcap") && !core::Dim::parse(node.attributes.text("start", "0")).is_constant();
}

bool fold_constants(Graph& graph, const Node& node) {
  if (dequantises_weights(graph, node) || counts_from_open(node)) return false;
  size_t in_bytes = 0;
  for (ValueId in : node.inputs) {
    if (in == kNoValue) continue;
    if (!graph.value(in).constant) return false;
    in_bytes += graph.value(in).constant->bytes().size();
  }
  for (ValueId out : node.outputs) {
    if (out == kNoValue) continue;
    const Value& value = graph.value(out);
    if (!core::is_static(*value.shape)) return false;
    size_t count = 1;
    for (const Dim& dim : *value.shape) count *= size_t(dim.value());
    const size_t bytes = core::dtype_bytes(value.dtype, count);
    if (bytes > kMaxFoldGrowth && bytes > in_bytes) return false;
  }
  const auto results = ops::evaluate(graph, node);
  for (size_t i = 0; i < results.size(); ++i) {
    if (node.outputs[i] != kNoValue) graph.value(node.outputs[i]).constant = results[i];
  }
  return true;
}

std::optional<double> splat_of(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  if (value.fact.splat) return value.fact.splat;
  if (value.constant && value.constant->size() == 1) return value.constant->at_f64(0);
  return std::nullopt;
}

// An element-wise node over uniform operands is uniform: one element is computed.
void fold_splat(Graph& graph, const Node& node) {
  if (!element_wise(node) || graph.value(node.outputs[0]).fact.splat) return;
  Graph one;
  Node single = node;
  for (ValueId& in : single.inputs) {
    const auto splat = splat_of(graph, in);
    if (!splat) return;
    auto tensor = scalar_tensor(graph.value(in).dtype, *splat);
    if (!tensor) return;
    in = one.add_constant("", std::move(*tensor));
  }
  single.outputs = {one.add_value({})};
  ops::infer_node(one, single);
  graph.value(node.outputs[0]).fact.splat = ops::evaluate(one, single)[0].at_f64(0);
}

}  // namespace

bool fold(Graph& graph, const Node& node) {
  if (is_constant(graph, node) || fold_sizes(graph, node) || fold_constants(graph, node)) return true;
  fold_splat(graph, node);
  return false;
}

}  // namespace vulcap::passes
