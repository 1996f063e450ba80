// Weights of quantised models are read as stored: a product or gather of a dequantised constant takes in the
// DequantizeLinear, and the sums of an integer product are scaled where they are made.
#include "runtime/ops/integer_product.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/rewrite.h"

namespace vulcap::passes {
namespace {

// The DequantizeLinear of a constant behind a value, or nullptr.
const Node* dequantised(const Matcher& m, ValueId value) {
  const Node* node = m.producer(value);
  if (node == nullptr || node->op != "DequantizeLinear") return nullptr;
  const bool integer = core::dtype_is_integer(m.value(node->inputs[0]).dtype);
  const bool zero_constant = node->input(2) == kNoValue || m.value(node->inputs[2]).constant;
  return integer && zero_constant && m.value(node->inputs[0]).constant && m.value(node->inputs[1]).constant
             ? node
             : nullptr;
}

// The matrix behind a value, which may stand behind a transpose.
const Node* dequantised_matrix(const Matcher& m, ValueId value, bool& transposed) {
  if (const Node* transpose = m.producer(value, "Transpose"); transpose != nullptr) {
    if (transpose->attributes.integers("perm", {1, 0}) != std::vector<int64_t>{1, 0}) return nullptr;
    value = transpose->inputs[0];
    transposed = !transposed;
  }
  const Node* node = dequantised(m, value);
  return node != nullptr && m.shape(value).size() == 2 ? node : nullptr;
}

bool is_addend_row(const Matcher& m, ValueId value, const core::Dim& columns) {
  return m.value(value).constant && m.shape(value).size() == 1 && m.shape(value)[0] == columns;
}

bool is_one_number(const Matcher& m, ValueId value) {
  return m.value(value).constant && m.value(value).constant->size() == 1;
}

// The DequantizeLinear of an activation in steps that the file gives, or nullptr.
const Node* stepped(const Matcher& m, ValueId value) {
  const Node* node = m.producer(value, "DequantizeLinear");
  if (node == nullptr || m.value(node->inputs[0]).constant || m.value(value).dtype != core::DType::kF32)
    return nullptr;
  const core::DType dtype = m.value(node->inputs[0]).dtype;
  const bool bytes = dtype == core::DType::kU8 || dtype == core::DType::kI8;
  const bool one_step =
      is_one_number(m, node->inputs[1]) && (node->input(2) == kNoValue || is_one_number(m, node->inputs[2]));
  return bytes && one_step ? node : nullptr;
}

// Whether a weight of bytes has one scale, or one a column.
bool scales_columns(const Matcher& m, const Node& weight, bool transposed) {
  const core::DType dtype = m.value(weight.inputs[0]).dtype;
  if ((dtype != core::DType::kU8 && dtype != core::DType::kI8) ||
      weight.attributes.integer("block_size", 0) != 0)
    return false;
  const int64_t axis = weight.attributes.integer("axis", 1);
  return is_one_number(m, weight.inputs[1]) || (axis + 2) % 2 == (transposed ? 0 : 1);
}

// Both operands are in steps that the file gives: sums of the stored numbers are exact.
std::optional<Patch> stored_product(Matcher& m, const Node& node, const Node& weight, bool transposed,
                                    ValueId addend) {
  const Node* found = stepped(m, node.inputs[0]);
  if (found == nullptr || !scales_columns(m, weight, transposed)) return std::nullopt;
  const Node operand = *found, matrix = weight;
  const std::string name = node.name;
  const ValueId result = node.outputs[0];
  const core::Tensor steps = *m.value(matrix.inputs[1]).constant;
  const float step = float(m.value(operand.inputs[1]).constant->at_f64(0));
  core::Tensor scale(core::DType::kF32, {int64_t(steps.size())});
  for (size_t i = 0; i < steps.size(); ++i) scale.mutable_as<float>()[i] = step * float(steps.at_f64(i));
  const ValueId scales = m.graph().add_constant(name + "/scale", std::move(scale));
  graph::Attributes attributes;
  attributes.set("transB", int64_t(transposed));
  return replace_with(
      result, m.make(std::string(ops::kIntegerProduct), "vulcap", name,
                     {operand.inputs[0], matrix.inputs[0], operand.input(2), matrix.input(2), scales, addend},
                     std::move(attributes)));
}

std::optional<Patch> product(Matcher& m, const Node& node) {
  const bool gemm = node.is("Gemm");
  if (!gemm && !node.is("MatMul")) return std::nullopt;
  bool transposed = gemm && node.attributes.integer("transB", 0) != 0;
  const Node* weight = dequantised_matrix(m, node.inputs[1], transposed);
  if (weight == nullptr || m.shape(node.inputs[0]).size() < 2) return std::nullopt;
  const ValueId addend = gemm ? node.input(2) : kNoValue;
  const bool plain = node.attributes.integer("transA", 0) == 0 && node.attributes.real("alpha", 1) == 1 &&
                     node.attributes.real("beta", 1) == 1 &&
                     (addend == kNoValue || is_addend_row(m, addend, m.shape(node.outputs[0]).back()));
  if (!plain) return std::nullopt;
  if (auto patch = stored_product(m, node, *weight, transposed, addend)) return patch;
  graph::Attributes attributes = weight->attributes;
  attributes.set("transB", int64_t(transposed));
  const std::vector<ValueId> inputs{node.inputs[0], weight->inputs[0], weight->inputs[1], weight->input(2),
                                    addend};
  return replace_with(node.outputs[0], m.make(std::string(ops::kQuantizedLinear), "vulcap", node.name, inputs,
                                              std::move(attributes)));
}

// Rows are picked as stored and dequantised after that.
std::optional<Patch> gather(Matcher& m, const Node& node) {
  if (!node.is("Gather")) return std::nullopt;
  const Node* found = dequantised(m, node.inputs[0]);
  if (found == nullptr) return std::nullopt;
  const Node table = *found;
  const int64_t rank = int64_t(m.shape(table.inputs[0]).size());
  const auto from_start = [&](int64_t axis) { return axis < 0 ? axis + rank : axis; };
  const int64_t axis = from_start(node.attributes.integer("axis", 0));
  const bool one_scale = core::product(m.shape(table.inputs[1])) == core::Dim(1);
  const bool blocked = table.attributes.integer("block_size", 0) != 0;
  const int64_t quantised = from_start(table.attributes.integer("axis", 1));
  if (!one_scale && quantised == axis) return std::nullopt;
  Patch patch;
  const auto pick = [&](ValueId from) {
    if (from == kNoValue) return from;
    patch.nodes.push_back(m.make("Gather", "", node.name, {from, node.inputs[1]}, node.attributes));
    return patch.nodes.back().outputs[0];
  };
  std::vector<ValueId> inputs = table.inputs;
  inputs[0] = pick(inputs[0]);
  for (size_t i = 1; i < inputs.size() && blocked; ++i) inputs[i] = pick(inputs[i]);
  graph::Attributes attributes = table.attributes;
  const int64_t added = int64_t(m.shape(node.inputs[1]).size()) - 1;
  attributes.set("axis", one_scale ? int64_t(0) : quantised > axis ? quantised + added : quantised);
  patch.nodes.push_back(m.make(table.op, table.domain, table.name, inputs, std::move(attributes)));
  patch.replaced.emplace_back(node.outputs[0], patch.nodes.back().outputs[0]);
  return patch;
}

// Mul(Cast(MatMulInteger), scale): the scale is one number or one a column.
std::optional<Patch> scaled(Matcher& m, const Node& node) {
  if (!node.is("Mul") || m.value(node.outputs[0]).dtype != core::DType::kF32) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const Node* cast = m.producer(node.inputs[i], "Cast");
    if (cast == nullptr || !m.single_use(node.inputs[i])) continue;
    const Node* sums = m.producer(cast->inputs[0]);
    if (sums == nullptr || !m.single_use(cast->inputs[0])) continue;
    const bool conv = sums->is("ConvInteger");
    if (!conv && !sums->is("MatMulInteger")) continue;
    const ValueId scale = node.inputs[1 - i];
    const auto& shape = m.shape(scale);
    const bool one = core::product(shape) == core::Dim(1);
    const bool row = shape.size() == 1 && shape[0] == m.shape(node.outputs[0]).back();
    if (!(m.shape(node.inputs[i]) == m.shape(node.outputs[0])) || (!one && (conv || !row))) continue;
    std::vector<ValueId> inputs = sums->inputs;
    inputs.resize(4, kNoValue);
    inputs.push_back(scale);
    return replace_with(node.outputs[0], m.make(std::string(conv ? ops::kIntegerConv : ops::kIntegerProduct),
                                                "vulcap", sums->name, inputs, sums->attributes));
  }
  return std::nullopt;
}

}  // namespace

int quantised_weights(Graph& graph) { return apply_rules(graph, {product, gather, scaled}); }

}  // namespace vulcap::passes
