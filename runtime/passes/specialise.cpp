#include "runtime/passes/specialise.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/ops/evaluate.h"
#include "runtime/ops/op_registry.h"

namespace vulcap::passes {
namespace {

using core::Dim;
using core::DType;
using core::Error;
using core::ErrorCode;
using core::SymShape;
using core::Tensor;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Value;
using graph::ValueId;

// A folded result larger than its inputs and than this many bytes stays a node.
constexpr size_t kMaxFoldGrowth = size_t(1) << 20;

Tensor integers_tensor(DType dtype, const core::Shape& shape, const std::vector<Dim>& ints) {
  Tensor tensor(dtype, shape);
  auto bytes = tensor.mutable_bytes();
  const size_t width = core::dtype_bits(dtype) / 8;
  for (size_t i = 0; i < ints.size(); ++i) {
    const int64_t value = ints[i].value();
    std::memcpy(bytes.data() + i * width, &value, width);  // little-endian: the low bytes come first
  }
  return tensor;
}

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

class Specialiser {
 public:
  explicit Specialiser(Graph& out) : out_(out) {}

  // Copies the values and nodes of `from`; `map` holds what is already bound (inputs, captures).
  void walk(const Graph& from, std::vector<ValueId>& map) {
    for (size_t v = 0; v < from.values.size(); ++v) {
      if (from.values[v].constant && map[v] == kNoValue) map[v] = out_.add_value(from.values[v]);
    }
    for (const Node& node : from.nodes) {
      if (node.is("If")) {
        inline_branch(from, node, map);
      } else {
        visit(from, node, map);
      }
    }
  }

 private:
  static ValueId mapped(const std::vector<ValueId>& map, ValueId id) {
    return id == kNoValue ? kNoValue : map[size_t(id)];
  }

  void inline_branch(const Graph& from, const Node& node, std::vector<ValueId>& map) {
    const Value& condition = out_.value(mapped(map, node.inputs[0]));
    std::optional<double> known = condition.fact.splat;
    if (condition.constant && condition.constant->size() == 1) known = condition.constant->at_f64(0);
    if (!known) {
      throw Error(ErrorCode::kInvalidModel, "node '" + node.name + "' (If): the condition '" +
                                                from.value(node.inputs[0]).name +
                                                "' depends on data, which is not supported");
    }
    const graph::Attribute* attribute = node.attributes.find(*known != 0 ? "then_branch" : "else_branch");
    const auto* branch = attribute ? std::get_if<std::shared_ptr<const Graph>>(attribute) : nullptr;
    if (branch == nullptr || (*branch)->outputs.size() != node.outputs.size()) {
      throw Error(ErrorCode::kInvalidModel,
                  "node '" + node.name + "' (If): a branch is missing or has other outputs");
    }
    std::vector<ValueId> inner((*branch)->values.size(), kNoValue);
    for (const auto& [id, input] : (*branch)->captures) inner[size_t(id)] = mapped(map, node.inputs[input]);
    walk(**branch, inner);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue) map[size_t(node.outputs[i])] = inner[size_t((*branch)->outputs[i])];
    }
  }

  void visit(const Graph& from, const Node& node, std::vector<ValueId>& map) {
    Node copy = node;
    for (ValueId& in : copy.inputs) in = mapped(map, in);
    for (ValueId& out : copy.outputs) {
      if (out == kNoValue) continue;
      Value value;
      value.name = from.value(out).name;
      map[size_t(out)] = out_.add_value(std::move(value));
      out = map[size_t(out)];
    }
    ops::infer_node(out_, copy);
    if (fold_sizes(copy) || fold_constants(copy)) return;
    fold_splat(copy);
    if (is_reshape(copy)) make_view(copy);
    if (copy.is("Range")) make_iota(copy);
    out_.nodes.push_back(std::move(copy));
  }

  // Integer results that shape arithmetic knows completely become constants.
  bool fold_sizes(const Node& node) {
    for (ValueId out : node.outputs) {
      if (out == kNoValue) continue;
      const Value& value = out_.value(out);
      const auto& ints = value.fact.ints;
      const bool known = ints && core::is_static(*ints) &&
                         (core::dtype_is_integer(value.dtype) || value.dtype == DType::kBool);
      if (!known) return false;
    }
    for (ValueId out : node.outputs) {
      if (out == kNoValue) continue;
      Value& value = out_.value(out);
      core::Shape shape;
      for (const Dim& dim : *value.shape) shape.push_back(dim.value());
      value.constant = integers_tensor(value.dtype, shape, *value.fact.ints);
    }
    return true;
  }

  bool fold_constants(const Node& node) {
    size_t in_bytes = 0;
    for (ValueId in : node.inputs) {
      if (in == kNoValue) continue;
      if (!out_.value(in).constant) return false;
      in_bytes += out_.value(in).constant->bytes().size();
    }
    for (ValueId out : node.outputs) {
      if (out == kNoValue) continue;
      const Value& value = out_.value(out);
      if (!core::is_static(*value.shape)) return false;
      size_t count = 1;
      for (const Dim& dim : *value.shape) count *= size_t(dim.value());
      const size_t bytes = core::dtype_bytes(value.dtype, count);
      if (bytes > kMaxFoldGrowth && bytes > in_bytes) return false;
    }
    const auto results = ops::evaluate(out_, node);
    for (size_t i = 0; i < results.size(); ++i) {
      if (node.outputs[i] != kNoValue) out_.value(node.outputs[i]).constant = results[i];
    }
    return true;
  }

  std::optional<double> splat_of(ValueId id) const {
    const Value& value = out_.value(id);
    if (value.fact.splat) return value.fact.splat;
    if (value.constant && value.constant->size() == 1) return value.constant->at_f64(0);
    return std::nullopt;
  }

  // An element-wise node over uniform operands is uniform: one element is computed.
  void fold_splat(const Node& node) {
    if (!element_wise(node) || out_.value(node.outputs[0]).fact.splat) return;
    Graph one;
    Node single = node;
    for (ValueId& in : single.inputs) {
      const auto splat = splat_of(in);
      if (!splat) return;
      auto tensor = scalar_tensor(out_.value(in).dtype, *splat);
      if (!tensor) return;
      in = one.add_constant("", std::move(*tensor));
    }
    single.outputs = {one.add_value({})};
    ops::infer_node(one, single);
    out_.value(node.outputs[0]).fact.splat = ops::evaluate(one, single)[0].at_f64(0);
  }

  static bool is_reshape(const Node& node) {
    return node.domain.empty() &&
           (node.op == "Reshape" || node.op == "Squeeze" || node.op == "Unsqueeze" || node.op == "Flatten");
  }

  void make_view(Node& node) {
    std::string to;
    for (const Dim& dim : *out_.value(node.outputs[0]).shape) to += (to.empty() ? "" : ",") + dim.text();
    node.op = "View";
    node.domain = "vulcap";
    node.inputs.resize(1);
    node.attributes = {};
    node.attributes.set("to", to);
  }

  // A range that follows from sizes needs no operands at run time.
  void make_iota(Node& node) {
    const Value& value = out_.value(node.outputs[0]);
    node.op = "Iota";
    node.domain = "vulcap";
    node.inputs.clear();
    node.attributes = {};
    node.attributes.set("start", value.fact.affine->base.text());
    node.attributes.set("step", value.fact.affine->coefficients[0]);
    node.attributes.set("length", (*value.shape)[0].text());
    node.attributes.set("dtype", int64_t(value.dtype));
  }

  Graph& out_;
};

Value bound_input(const Value& declared, const InputSpec& spec) {
  Value value;
  value.name = declared.name;
  value.dtype = declared.dtype;
  value.shape = spec.shape;
  value.capacity = spec.capacity;
  auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::kInvalidModel,
                "input '" + declared.name + "' of shape " + core::shape_text(spec.shape) + " " + why);
  };
  if (declared.shape) {
    if (declared.shape->size() != spec.shape.size())
      refuse("must have shape " + core::shape_text(*declared.shape));
    for (size_t i = 0; i < spec.shape.size(); ++i) {
      const Dim& want = (*declared.shape)[i];
      if (want.is_constant() && !(want == spec.shape[i]))
        refuse("must have shape " + core::shape_text(*declared.shape));
    }
  }
  if (spec.constant) {
    if (spec.constant->dtype() != declared.dtype) {
      refuse("holds " + std::string(core::dtype_name(spec.constant->dtype())) + ", not " +
             std::string(core::dtype_name(declared.dtype)));
    }
    value.constant = spec.constant;
  }
  return value;
}

}  // namespace

Graph specialise(const Graph& graph, const std::map<std::string, InputSpec>& inputs) {
  Graph result;
  std::vector<ValueId> map(graph.values.size(), kNoValue);
  for (ValueId input : graph.inputs) {
    const Value& declared = graph.value(input);
    const auto spec = inputs.find(declared.name);
    if (spec == inputs.end())
      throw Error(ErrorCode::kInvalidModel, "input '" + declared.name + "' is missing");
    map[size_t(input)] = result.add_value(bound_input(declared, spec->second));
    if (!spec->second.constant) result.inputs.push_back(map[size_t(input)]);
  }
  Specialiser(result).walk(graph, map);
  for (ValueId out : graph.outputs) {
    const ValueId inner = map[size_t(out)];
    // Two outputs may be one value, and an output may be an input: each keeps its own name.
    if (result.value(inner).name != graph.value(out).name) {
      Node identity{"Identity", "", "output/" + graph.value(out).name, {inner}, {}, {}};
      Value value;
      value.name = graph.value(out).name;
      identity.outputs = {result.add_value(std::move(value))};
      ops::infer_node(result, identity);
      result.outputs.push_back(identity.outputs[0]);
      result.nodes.push_back(std::move(identity));
    } else {
      result.outputs.push_back(inner);
    }
  }
  graph::remove_dead_nodes(result);
  return result;
}

core::SymShape bind_symbols(const core::SymShape& declared, const std::map<core::Symbol, int64_t>& values) {
  core::SymShape result;
  for (const Dim& dim : declared) result.push_back(dim.substitute(values));
  return result;
}

}  // namespace vulcap::passes
