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
