#include <limits>

#include "runtime/ops/kernels/element.h"
#include "runtime/ops/op_registry.h"

namespace vulcap::ops {

std::vector<ValueId> ExpandContext::add_split(std::string op, std::vector<ValueId> inputs,
                                              Attributes attributes, size_t outputs, std::string domain) {
  const std::string name = this->node().name + "/" + std::to_string(graph_.values.size()) + "." + op;
  Node made{std::move(op), std::move(domain), name, std::move(inputs), {}, std::move(attributes)};
  for (size_t i = 0; i < outputs; ++i) {
    Value value;
    value.name = name + (i == 0 ? "" : "#" + std::to_string(i));
    made.outputs.push_back(graph_.add_value(std::move(value)));
  }
  const std::vector<ValueId> results = made.outputs;
  emit_(std::move(made));
  return results;
}

ValueId ExpandContext::add(std::string op, std::vector<ValueId> inputs, Attributes attributes,
                           std::string domain) {
  return add_split(std::move(op), std::move(inputs), std::move(attributes), 1, std::move(domain))[0];
}

ValueId ExpandContext::view(ValueId value, const SymShape& to) {
  if (shape_of(value) == to) return value;
  std::string text;
  for (const Dim& dim : to) text += (text.empty() ? "" : ",") + dim.text();
  Attributes attributes;
  attributes.set("to", text);
  return add("View", {value}, std::move(attributes), "vulcap");
}

ValueId ExpandContext::transpose(ValueId value, std::vector<int64_t> perm) {
  Attributes attributes;
  attributes.set("perm", std::move(perm));
  return add("Transpose", {value}, std::move(attributes));
}

ValueId ExpandContext::slice(ValueId value, int64_t axis, int64_t begin, int64_t end) {
  return add("Slice", {value, integers({begin}), integers({end}), integers({axis})});
}

ValueId ExpandContext::constant(core::Tensor tensor) {
  return graph_.add_constant(node().name + "/" + std::to_string(graph_.values.size()), std::move(tensor));
}

ValueId ExpandContext::integers(const std::vector<int64_t>& values) {
  return constant(core::Tensor::from<int64_t>(DType::kI64, {int64_t(values.size())}, values));
}

ValueId ExpandContext::scalar(DType dtype, double value) {
  core::Tensor tensor(dtype, {});
  store_real(dtype, tensor.mutable_bytes().data(), 0, value);
  return constant(std::move(tensor));
}

std::vector<ValueId> ExpandContext::inlined(const Graph& body, const std::vector<ValueId>& operands) {
  if (operands.size() != body.inputs.size()) fail("a subgraph takes another number of inputs");
  std::vector<ValueId> map(body.values.size(), graph::kNoValue);
  for (size_t i = 0; i < operands.size(); ++i) map[size_t(body.inputs[i])] = operands[i];
  for (const auto& [id, input] : body.captures) map[size_t(id)] = node().inputs[input];
  for (size_t v = 0; v < map.size(); ++v) {
    if (body.values[v].constant) map[v] = constant(*body.values[v].constant);
  }
  for (Node part : body.nodes) {
    for (ValueId& in : part.inputs) in = in == graph::kNoValue ? in : map[size_t(in)];
    for (ValueId& out : part.outputs) {
      if (out == graph::kNoValue) continue;
      Value value;
      value.name = node().name + "/" + body.values[size_t(out)].name;
      map[size_t(out)] = graph_.add_value(std::move(value));
      out = map[size_t(out)];
    }
    emit_(std::move(part));
  }
  std::vector<ValueId> results;
  for (ValueId out : body.outputs) results.push_back(map[size_t(out)]);
  return results;
}

void ExpandContext::result(size_t i, ValueId value) {
  if (wants(i)) emit_(Node{"Identity", "", node().name, {value}, {node().outputs[i]}, {}});
}

core::Shape ExpandContext::static_shape(ValueId id) const {
  core::Shape result;
  for (const Dim& dim : shape_of(id)) {
    if (!dim.is_constant()) undecided(node().op + " needs the number behind dimension " + dim.text());
    result.push_back(dim.value());
  }
  return result;
}

void expand_node(Graph& graph, const Node& node, const ExpandContext::Emit& emit) {
  try {
    ExpandContext context(graph, node, emit);
    op_registry().find(node.domain, node.op)->expand(context);
  } catch (core::Error& error) {
    error.add_context("node '" + node.name + "' (" + (node.domain.empty() ? "" : node.domain + ".") +
                      node.op + ")");
    throw;
  }
}

}  // namespace vulcap::ops
