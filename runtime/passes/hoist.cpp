#include "runtime/passes/hoist.h"

#include <algorithm>

namespace vulcap::passes {
namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

bool computed_once(const Node& node, const std::vector<bool>& invariant) {
  return std::any_of(node.outputs.begin(), node.outputs.end(),
                     [&](ValueId out) { return out != kNoValue && invariant[size_t(out)]; });
}

}  // namespace

std::vector<bool> invariant_values(const Graph& graph, const std::vector<std::string>& inputs) {
  std::vector<bool> invariant(graph.values.size(), false);
  for (ValueId in : graph.inputs) {
    invariant[size_t(in)] = std::find(inputs.begin(), inputs.end(), graph.value(in).name) != inputs.end();
  }
  for (const Node& node : graph.nodes) {
    bool any = false;
    bool all = true;
    for (ValueId in : node.inputs) {
      if (in == kNoValue || graph.value(in).constant) continue;
      any = any || invariant[size_t(in)];
      all = all && invariant[size_t(in)];
    }
    for (ValueId out : node.outputs) {
      if (out != kNoValue) invariant[size_t(out)] = any && all;
    }
  }
  return invariant;
}

Hoisted hoist(const Graph& graph, const std::vector<std::string>& invariant_inputs) {
  const auto invariant = invariant_values(graph, invariant_inputs);
  Hoisted result{graph, graph, {}};
  result.prelude.nodes.clear();
  result.prelude.outputs.clear();
  result.rest.nodes.clear();
  std::vector<bool> shared(graph.values.size(), false);
  auto share = [&](ValueId value) {
    if (value == kNoValue || !invariant[size_t(value)] || shared[size_t(value)]) return;
    shared[size_t(value)] = true;
    const bool is_input = std::find(graph.inputs.begin(), graph.inputs.end(), value) != graph.inputs.end();
    if (is_input) return;
    result.shared.push_back(graph.value(value).name);
    result.prelude.outputs.push_back(value);
    result.rest.inputs.push_back(value);
  };
  for (const Node& node : graph.nodes) {
    if (computed_once(node, invariant)) {
      result.prelude.nodes.push_back(node);
      continue;
    }
    for (ValueId in : node.inputs) share(in);
    result.rest.nodes.push_back(node);
  }
  for (ValueId out : graph.outputs) share(out);
  std::erase_if(result.prelude.inputs, [&](ValueId in) { return !invariant[size_t(in)]; });
  std::erase_if(result.rest.inputs, [&](ValueId in) { return invariant[size_t(in)] && !shared[size_t(in)]; });
  graph::remove_dead_nodes(result.prelude);
  return result;
}

Graph join_prelude(const Graph& prelude, const Graph& rest) {
  Graph result = rest;
  std::vector<ValueId> map(prelude.values.size(), kNoValue);
  std::vector<ValueId> prelude_inputs;
  for (ValueId in : prelude.inputs) {
    map[size_t(in)] = rest.find_input(prelude.value(in).name);
    if (map[size_t(in)] == kNoValue)
      prelude_inputs.push_back(map[size_t(in)] = result.add_value(prelude.value(in)));
  }
  for (ValueId out : prelude.outputs) {
    const ValueId input = rest.find_input(prelude.value(out).name);
    std::erase(result.inputs, input);
    map[size_t(out)] = input;
  }
  for (size_t v = 0; v < prelude.values.size(); ++v)
    if (map[v] == kNoValue) map[v] = result.add_value(prelude.values[v]);
  std::vector<Node> nodes = prelude.nodes;
  for (Node& node : nodes) {
    for (auto* list : {&node.inputs, &node.outputs})
      for (ValueId& id : *list) id = id == kNoValue ? kNoValue : map[size_t(id)];
  }
  result.nodes.insert(result.nodes.begin(), nodes.begin(), nodes.end());
  result.inputs.insert(result.inputs.end(), prelude_inputs.begin(), prelude_inputs.end());
  return result;
}

}  // namespace vulcap::passes
