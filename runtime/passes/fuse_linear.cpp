// Products with a weight matrix take in what follows them: act(alpha * x W + bias) + residual.
#include <algorithm>

#include "runtime/ops/integer_product.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/rewrite.h"
#include "shaders/abi.h"

namespace vulcap::passes {
namespace {

std::optional<Patch> matmul_to_linear(Matcher& m, const Node& node) {
  if (!node.is("MatMul")) return std::nullopt;
  const Value& weight = m.value(node.inputs[1]);
  if (!weight.constant || weight.shape->size() != 2 || m.shape(node.inputs[0]).size() < 2)
    return std::nullopt;
  return replace_with(node.outputs[0], m.make("Linear", "vulcap", node.name, node.inputs));
}

bool is_row(const Matcher& m, ValueId value, const core::Dim& columns) {
  const auto& shape = m.shape(value);
  return m.value(value).constant && !shape.empty() && shape.back() == columns &&
         core::product(shape) == columns;
}

std::optional<Patch> gemm_to_linear(Matcher& m, const Node& node) {
  if (!node.is("Gemm") || node.attributes.integer("transA", 0) != 0) return std::nullopt;
  const ValueId addend = node.input(2);
  if (addend != kNoValue &&
      (!is_row(m, addend, m.shape(node.outputs[0])[1]) || node.attributes.real("beta", 1) != 1))
    return std::nullopt;
  graph::Attributes attributes;
  attributes.set("transB", node.attributes.integer("transB", 0));
  attributes.set("alpha", node.attributes.real("alpha", 1));
  return replace_with(node.outputs[0],
                      m.make("Linear", "vulcap", node.name, node.inputs, std::move(attributes)));
}

// A product that takes in what follows it, and where among its operands that stands.
struct Product {
  std::string_view op, domain;
  size_t bias, residual;
};

constexpr Product kProducts[] = {{"Linear", "vulcap", 2, 3},
                                 {ops::kQuantizedLinear, "vulcap", 4, 5},
                                 {ops::kIntegerProduct, "vulcap", 5, 6},
                                 {"MatMulNBits", "com.microsoft", 5, 6},
                                 {"MatMulBnb4", "com.microsoft", 3, 4}};

const Product* product_of(const Node& node) {
  for (const Product& product : kProducts) {
    if (node.is(product.op, product.domain)) return &product;
  }
  return nullptr;
}

bool has_operand(const Node& linear, size_t i) { return linear.input(i) != kNoValue; }
bool has_bias(const Node& linear) { return has_operand(linear, product_of(linear)->bias); }
int64_t activation(const Node& linear) { return linear.attributes.integer("act", vulcap::abi::kActNone); }

std::vector<ValueId> operands(const Node& linear) {
  std::vector<ValueId> inputs = linear.inputs;
  inputs.resize(std::max(inputs.size(), product_of(linear)->residual + 1), kNoValue);
  return inputs;
}

Node remade(Matcher& m, const Node& linear, const std::vector<ValueId>& inputs,
            graph::Attributes attributes) {
  return m.make(linear.op, linear.domain, linear.name, inputs, std::move(attributes));
}

// Rows do not mix, so leading axes may be regrouped after the product instead of before it.
std::optional<Patch> view_after(Matcher& m, const Node& node) {
  if (!node.is("Linear", "vulcap") || has_operand(node, 3)) return std::nullopt;
  const Node* view = m.producer(node.inputs[0], "View", "vulcap");
  if (view == nullptr || m.shape(view->inputs[0]).size() < 2) return std::nullopt;
  if (!(m.shape(view->inputs[0]).back() == m.shape(node.inputs[0]).back())) return std::nullopt;
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = view->inputs[0];
  const core::SymShape to = m.shape(node.outputs[0]);
  Node linear = m.make("Linear", "vulcap", node.name, inputs, node.attributes);
  Node after = m.make_view(node.name + "/view", linear.outputs[0], to);
  const ValueId result = after.outputs[0];
  return Patch{{std::move(linear), std::move(after)}, {{node.outputs[0], result}}};
}

const Node* fusable(const Matcher& m, ValueId value) {
  const Node* linear = m.producer(value);
  const Product* product = linear != nullptr ? product_of(*linear) : nullptr;
  return product != nullptr && m.single_use(value) && !has_operand(*linear, product->residual) ? linear
                                                                                               : nullptr;
}

std::optional<Patch> add_bias(Matcher& m, const Node& node) {
  if (!node.is("Add")) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const Node* linear = fusable(m, node.inputs[i]);
    if (linear == nullptr || has_bias(*linear) || activation(*linear) != 0) continue;
    if (!is_row(m, node.inputs[1 - i], m.shape(node.outputs[0]).back()) ||
        !(m.shape(node.inputs[i]) == m.shape(node.outputs[0])))
      continue;
    auto inputs = operands(*linear);
    inputs[product_of(*linear)->bias] = node.inputs[1 - i];
    const Node product = *linear;
    return replace_with(node.outputs[0], remade(m, product, inputs, product.attributes));
  }
  return std::nullopt;
}

int64_t activation_row(const Node& node) {
  if (node.is("Gelu"))
    return node.attributes.text("approximate", "none") == "tanh" ? vulcap::abi::kActGeluTanh
                                                                 : vulcap::abi::kActGelu;
  if (node.is("Relu")) return vulcap::abi::kActRelu;
  if (node.is("Tanh")) return vulcap::abi::kActTanh;
  if (node.is("Sigmoid")) return vulcap::abi::kActSigmoid;
  if (node.is("QuickGelu", "com.microsoft")) {
    const float alpha = node.attributes.real("alpha", 1.702f);
    if (alpha == 1.702f) return vulcap::abi::kActQuickGelu;
    if (alpha == 1.0f) return vulcap::abi::kActSilu;
  }
  return vulcap::abi::kActNone;
}

// The activation may stand behind a view of the product; both are element-wise, so they swap.
std::optional<Patch> add_activation(Matcher& m, const Node& node) {
  const int64_t act = activation_row(node);
  if (act == vulcap::abi::kActNone) return std::nullopt;
  const Node* view = m.producer(node.inputs[0], "View", "vulcap");
  if (view != nullptr && !m.single_use(node.inputs[0])) return std::nullopt;
  const Node* linear = fusable(m, view != nullptr ? view->inputs[0] : node.inputs[0]);
  if (linear == nullptr || activation(*linear) != 0) return std::nullopt;
  graph::Attributes attributes = linear->attributes;
  attributes.set("act", act);
  const core::SymShape to = m.shape(node.outputs[0]);
  const Node product = *linear;
  Node fused = remade(m, product, product.inputs, std::move(attributes));
  if (view == nullptr) return replace_with(node.outputs[0], std::move(fused));
  Node after = m.make_view(node.name + "/view", fused.outputs[0], to);
  const ValueId result = after.outputs[0];
  return Patch{{std::move(fused), std::move(after)}, {{node.outputs[0], result}}};
}

// The product may stand behind a view; the other addend is then seen in the product's shape.
std::optional<Patch> add_residual(Matcher& m, const Node& node) {
  if (!node.is("Add") || !(m.shape(node.inputs[0]) == m.shape(node.inputs[1]))) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const Node* view = m.producer(node.inputs[i], "View", "vulcap");
    if (view != nullptr && !m.single_use(node.inputs[i])) continue;
    const Node* linear = fusable(m, view != nullptr ? view->inputs[0] : node.inputs[i]);
    if (linear == nullptr) continue;
    const Node product = *linear;
    const core::SymShape to = m.shape(node.outputs[0]);
    auto inputs = operands(product);
    Patch patch;
    ValueId& residual = inputs[product_of(product)->residual];
    residual = node.inputs[1 - i];
    if (view != nullptr) {
      patch.nodes.push_back(m.make_view(node.name + "/residual", residual, m.shape(product.outputs[0])));
      residual = patch.nodes.back().outputs[0];
    }
    patch.nodes.push_back(remade(m, product, inputs, product.attributes));
    if (view != nullptr)
      patch.nodes.push_back(m.make_view(node.name + "/view", patch.nodes.back().outputs[0], to));
    patch.replaced.emplace_back(node.outputs[0], patch.nodes.back().outputs[0]);
    return patch;
  }
  return std::nullopt;
}

}  // namespace

int fuse_linear(Graph& graph) {
  int changes = apply_rules(graph, {matmul_to_linear, gemm_to_linear, view_after});
  changes += simplify(graph);
  changes += apply_rules(graph, {add_bias, add_activation});
  changes += simplify(graph);
  changes += apply_rules(graph, {add_residual});
  return changes + simplify(graph);
}

}  // namespace vulcap::passes
