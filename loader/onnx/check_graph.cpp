#include "loader/onnx/check_graph.h"

#include <functional>
#include <queue>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "loader/onnx/wire.h"

namespace vulcap::onnx {
namespace {

using NameSet = std::unordered_set<std::string>;

constexpr size_t kOutside = SIZE_MAX;  // provided by an input or an initializer, not by a node

const std::shared_ptr<GraphDef>* subgraph_of(const Attribute& attribute) {
  return std::get_if<std::shared_ptr<GraphDef>>(&attribute.value);
}

struct Scope {
  std::unordered_map<std::string, size_t>
      provider;  // value name -> index of the node that produces it, or kOutside

  void provide(const std::string& name, size_t node, const char* what) {
    if (!provider.emplace(name, node).second) {
      fail(std::string(what) + " " + quote(name) +
           ": this name is already taken by another value of the graph");
    }
  }
};

NameSet free_names(GraphDef& graph);

// Names that each node reads, its subgraphs' captures included.
std::vector<NameSet> reads_of(std::vector<NodeDef>& nodes) {
  std::vector<NameSet> reads(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& name : nodes[i].inputs) {
      if (!name.empty()) reads[i].insert(name);
    }
    for (const Attribute& attribute : nodes[i].attributes) {
      if (const auto* subgraph = subgraph_of(attribute)) reads[i].merge(free_names(**subgraph));
    }
  }
  return reads;
}

bool in_order(const std::vector<NameSet>& reads, const Scope& scope) {
  for (size_t i = 0; i < reads.size(); ++i) {
    for (const std::string& name : reads[i]) {
      const auto found = scope.provider.find(name);
      if (found != scope.provider.end() && found->second != kOutside && found->second >= i) return false;
    }
  }
  return true;
}

// Kahn's algorithm, the lowest index first, so that nodes already in order stay where they are.
std::vector<size_t> execution_order(const std::vector<NodeDef>& nodes, const std::vector<NameSet>& reads,
                                    const Scope& scope) {
  std::vector<size_t> waits(nodes.size(), 0), order;
  std::vector<std::vector<size_t>> readers(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& name : reads[i]) {
      const auto found = scope.provider.find(name);
      if (found == scope.provider.end() || found->second == kOutside) continue;
      readers[found->second].push_back(i);
      ++waits[i];
    }
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (waits[i] == 0) ready.push(i);
  }
  while (!ready.empty()) {
    order.push_back(ready.top());
    ready.pop();
    for (size_t reader : readers[order.back()]) {
      if (--waits[reader] == 0) ready.push(reader);
    }
  }
  for (size_t i = 0; i < nodes.size() && order.size() < nodes.size(); ++i) {
    if (waits[i] != 0) fail(node_text(nodes[i], i) + " is part of a cycle");
  }
  return order;
}

// Provides the nodes' outputs to `scope`, sorts the nodes, and returns the names they read that `scope`
// lacks.
NameSet settle_nodes(std::vector<NodeDef>& nodes, Scope& scope) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& name : nodes[i].outputs) {
      if (!name.empty()) scope.provide(name, i, "output");
    }
  }
  const std::vector<NameSet> reads = reads_of(nodes);
  if (!in_order(reads, scope)) {
    std::vector<NodeDef> sorted;
    for (size_t index : execution_order(nodes, reads, scope)) sorted.push_back(std::move(nodes[index]));
    nodes = std::move(sorted);
  }
  NameSet missing;
  for (const NameSet& names : reads) {
    for (const std::string& name : names) {
      if (!scope.provider.contains(name)) missing.insert(name);
    }
  }
  return missing;
}

NameSet free_names(GraphDef& graph) {
  Scope scope;
  for (const ValueInfo& input : graph.inputs) scope.provide(input.name, kOutside, "input");
  for (const Initializer& initializer : graph.initializers) {
    scope.provide(initializer.name, kOutside, "initializer");
  }
  NameSet missing = settle_nodes(graph.nodes, scope);
  for (const ValueInfo& output : graph.outputs) {
    if (!scope.provider.contains(output.name)) missing.insert(output.name);
  }
  return missing;
}

bool node_reads(const NodeDef& node, const std::string& name) {
  for (const std::string& input : node.inputs) {
    if (input == name) return true;
  }
  for (const Attribute& attribute : node.attributes) {
    const auto* subgraph = subgraph_of(attribute);
    if (subgraph == nullptr) continue;
    for (const NodeDef& inner : (*subgraph)->nodes) {
      if (node_reads(inner, name)) return true;
    }
  }
  return false;
}

void refuse_missing(const NameSet& missing, const std::vector<NodeDef>& nodes) {
  if (missing.empty()) return;
  const std::string& name = *missing.begin();
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!node_reads(nodes[i], name)) continue;
    fail(node_text(nodes[i], i) + " reads " + quote(name) + ", which no node, input or initializer provides");
  }
  fail("output " + quote(name) + " is not produced by any node");
}

}  // namespace

std::string node_text(const NodeDef& node, size_t index) {
  return "node " + std::to_string(index) + (node.name.empty() ? "" : " " + quote(node.name)) + " (" +
         quote(node.op_type) + ")";
}

void check_graph(GraphDef& graph) { refuse_missing(free_names(graph), graph.nodes); }

void check_function(Function& function) {
  Scope scope;
  for (const std::string& input : function.inputs) scope.provide(input, kOutside, "input");
  NameSet missing = settle_nodes(function.nodes, scope);
  for (const std::string& output : function.outputs) {
    if (!scope.provider.contains(output)) missing.insert(output);
  }
  refuse_missing(missing, function.nodes);
}

void check_opsets(const std::vector<NodeDef>& nodes, const std::map<std::string, int64_t>& opsets) {
  if (opsets.contains("")) return;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].domain.empty())
      fail(node_text(nodes[i], i) + ": the model declares no opset version for ai.onnx");
    for (const Attribute& attribute : nodes[i].attributes) {
      if (const auto* subgraph = subgraph_of(attribute)) check_opsets((*subgraph)->nodes, opsets);
    }
  }
}

}  // namespace vulcap::onnx
