// compare_structure.
#include <algorithm>
#include <functional>

#include "loader/conversion/diff.h"
#include "loader/onnx/census.h"
#include "loader/onnx/value_text.h"
#include "loader/onnx/wire.h"

namespace vulcap::conversion {
namespace {

using onnx::GraphDef;
using onnx::NodeDef;
using onnx::quote;

std::string operator_name(const NodeDef& node) {
  return (node.domain.empty() ? "" : node.domain + ".") + node.op_type;
}

std::string node_text(const NodeDef& node) {
  return (node.name.empty() ? quote(node.outputs.empty() ? "" : node.outputs[0]) : quote(node.name)) + " (" +
         operator_name(node) + ")";
}

bool equal_tensors(const core::Tensor& a, const core::Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && loader::equal_content(a, b);
}

bool equal_graphs(const GraphDef& a, const GraphDef& b);

bool equal_values(const onnx::AttributeValue& a, const onnx::AttributeValue& b) {
  if (a.index() != b.index()) return false;
  if (const auto* tensor = std::get_if<core::Tensor>(&a))
    return equal_tensors(*tensor, std::get<core::Tensor>(b));
  if (const auto* inner = std::get_if<std::shared_ptr<GraphDef>>(&a))
    return equal_graphs(**inner, *std::get<std::shared_ptr<GraphDef>>(b));
  return std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, core::Tensor> || std::is_same_v<T, std::shared_ptr<GraphDef>>) {
          return false;
        } else {
          return value == std::get<T>(b);
        }
      },
      a);
}

// What differs of two nodes; empty: nothing.
std::string node_changes(const NodeDef& a, const NodeDef& b) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  if (operator_name(a) != operator_name(b)) add("becomes " + operator_name(b));
  for (size_t i = 0; i < std::max(a.inputs.size(), b.inputs.size()); ++i) {
    const std::string before = i < a.inputs.size() ? a.inputs[i] : "",
                      after = i < b.inputs.size() ? b.inputs[i] : "";
    if (before != after) add("operand " + std::to_string(i) + " " + quote(before) + " -> " + quote(after));
  }
  std::map<std::string, Pair<const onnx::AttributeValue*>> attributes;
  for (const onnx::Attribute& attribute : a.attributes) attributes[attribute.name].a = &attribute.value;
  for (const onnx::Attribute& attribute : b.attributes) attributes[attribute.name].b = &attribute.value;
  for (const auto& [name, values] : attributes) {
    if (values.a == nullptr || values.b == nullptr) {
      add("attribute " + name + (values.a == nullptr ? " is new" : " is gone"));
    } else if (!equal_values(*values.a, *values.b)) {
      add("attribute " + name + " differs");
    }
  }
  return text;
}

bool equal_graphs(const GraphDef& a, const GraphDef& b) {
  const auto equal_node = [](const NodeDef& left, const NodeDef& right) {
    return left.outputs == right.outputs && node_changes(left, right).empty();
  };
  const auto equal_initializer = [](const onnx::Initializer& left, const onnx::Initializer& right) {
    return left.name == right.name && equal_tensors(left.tensor, right.tensor);
  };
  return std::equal(a.nodes.begin(), a.nodes.end(), b.nodes.begin(), b.nodes.end(), equal_node) &&
         std::equal(a.initializers.begin(), a.initializers.end(), b.initializers.begin(),
                    b.initializers.end(), equal_initializer);
}

// Walks two lists by name: `both`, or one of the lists of what only one has.
template <typename Item>
void match(const std::map<std::string, const Item*>& a, const std::map<std::string, const Item*>& b,
           const std::function<void(const Item&, const Item&)>& both,
           const std::function<void(const Item&, bool in_a)>& one) {
  for (const auto& [name, item] : a) {
    const auto other = b.find(name);
    other == b.end() ? one(*item, true) : both(*item, *other->second);
  }
  for (const auto& [name, item] : b)
    if (!a.count(name)) one(*item, false);
}

template <typename Item>
std::map<std::string, const Item*> by_name(const std::vector<Item>& items) {
  std::map<std::string, const Item*> named;
  for (const Item& item : items) named.emplace(item.name, &item);
  return named;
}

std::map<std::string, const NodeDef*> by_output(const std::vector<NodeDef>& nodes) {
  std::map<std::string, const NodeDef*> named;
  for (const NodeDef& node : nodes)
    if (!node.outputs.empty()) named.emplace(node.outputs[0], &node);
  return named;
}

void compare_values(const std::string& what, const std::vector<onnx::ValueInfo>& a,
                    const std::vector<onnx::ValueInfo>& b, StructureDiff& diff) {
  match<onnx::ValueInfo>(
      by_name(a), by_name(b),
      [&](const onnx::ValueInfo& left, const onnx::ValueInfo& right) {
        if (onnx::type_text(left) == onnx::type_text(right)) return;
        diff.interface.push_back(what + " " + quote(left.name) + ": " + onnx::type_text(left) + " -> " +
                                 onnx::type_text(right));
      },
      [&](const onnx::ValueInfo& value, bool in_a) {
        diff.interface.push_back(what + " " + quote(value.name) + " " + onnx::type_text(value) +
                                 ": only in " + (in_a ? "A" : "B"));
      });
}

void compare_opsets(const onnx::ModelDef& a, const onnx::ModelDef& b, StructureDiff& diff) {
  std::map<std::string, Pair<int64_t>> opsets;
  for (const auto& [domain, version] : a.opsets) opsets[domain].a = version;
  for (const auto& [domain, version] : b.opsets) opsets[domain].b = version;
  const auto text = [](int64_t version) {
    return version == 0 ? std::string("none") : std::to_string(version);
  };
  for (const auto& [domain, versions] : opsets) {
    if (versions.same()) continue;
    diff.interface.push_back("opset of " + (domain.empty() ? "ai.onnx" : domain) + ": " + text(versions.a) +
                             " -> " + text(versions.b));
  }
}

void compare_weights(const GraphDef& a, const GraphDef& b, StructureDiff& diff) {
  match<onnx::Initializer>(
      by_name(a.initializers), by_name(b.initializers),
      [&](const onnx::Initializer& left, const onnx::Initializer& right) {
        if (equal_tensors(left.tensor, right.tensor)) {
          ++diff.weights_equal;
        } else {
          diff.weights_changed.push_back({left.name, loader::difference(right.tensor, left.tensor)});
        }
      },
      [&](const onnx::Initializer& item, bool in_a) {
        (in_a ? diff.weights_only_a : diff.weights_only_b).push_back(item.name);
      });
}

void compare_nodes(const GraphDef& a, const GraphDef& b, StructureDiff& diff) {
  match<NodeDef>(
      by_output(a.nodes), by_output(b.nodes),
      [&](const NodeDef& left, const NodeDef& right) {
        const std::string changes = node_changes(left, right);
        if (!changes.empty()) diff.nodes_changed.push_back(node_text(left) + ": " + changes);
      },
      [&](const NodeDef& node, bool in_a) {
        (in_a ? diff.nodes_only_a : diff.nodes_only_b).push_back(node_text(node));
      });
}

}  // namespace

bool StructureDiff::same() const {
  return nodes.same() && initializers.same() && interface.empty() && weights_only_a.empty() &&
         weights_only_b.empty() && weights_changed.empty() && nodes_only_a.empty() && nodes_only_b.empty() &&
         nodes_changed.empty() &&
         std::all_of(operators.begin(), operators.end(), [](const auto& item) { return item.second.same(); });
}

StructureDiff compare_structure(const onnx::ModelDef& a, const onnx::ModelDef& b) {
  StructureDiff diff;
  const Pair<onnx::Census> census{onnx::census_of(a.graph), onnx::census_of(b.graph)};
  diff.nodes = {census.a.nodes, census.b.nodes};
  diff.initializers = {census.a.initializers, census.b.initializers};
  diff.weight_bytes = {census.a.bytes, census.b.bytes};
  for (const auto& [name, count] : census.a.operators) diff.operators[name].a = count;
  for (const auto& [name, count] : census.b.operators) diff.operators[name].b = count;
  compare_opsets(a, b, diff);
  compare_values("input", a.graph.inputs, b.graph.inputs, diff);
  compare_values("output", a.graph.outputs, b.graph.outputs, diff);
  compare_weights(a.graph, b.graph, diff);
  compare_nodes(a.graph, b.graph, diff);
  return diff;
}

}  // namespace vulcap::conversion
