// Rewriting: a rule looks at one node and returns a patch; the engine applies patches until none is returned.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/graph/graph.h"

namespace vulcap::passes {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Uses;
using graph::Value;
using graph::ValueId;

struct Patch {
  std::vector<Node> nodes;                            // new nodes, outputs already added to the graph
  std::vector<std::pair<ValueId, ValueId>> replaced;  // every read of `first` becomes a read of `second`
};

// What a rule sees. Values may be added; nodes only through the returned patch.
class Matcher {
 public:
  Matcher(Graph& graph, const Uses& uses) : graph_(graph), uses_(uses) {}

  Graph& graph() { return graph_; }
  const Value& value(ValueId id) const { return graph_.value(id); }
  const core::SymShape& shape(ValueId id) const { return *graph_.value(id).shape; }
  // The node that produces a value, or nullptr.
  const Node* producer(ValueId id) const;
  // The same when it is this operator.
  const Node* producer(ValueId id, std::string_view op, std::string_view domain = "") const;
  bool single_use(ValueId id) const { return uses_.single_use(id); }
  // Whether one node reads the value's elements; nodes that ask for its shape alone do not count.
  bool single_data_use(ValueId id) const;
  // The only node that reads a value, or nullptr.
  const Node* only_reader(ValueId id) const;
  bool is_output(ValueId id) const { return uses_.output_uses[size_t(id)] > 0; }
  // The number every element equals, when known.
  std::optional<double> splat(ValueId id) const;
  bool is_splat(ValueId id, double number, double tolerance = 1e-4) const;
  // Of a node with two operands, the one that is uniform and the other; nothing when neither is.
  std::optional<std::pair<ValueId, double>> split_splat(const Node& node) const;

  // A node whose outputs are new values, shape-inferred.
  Node make(std::string op, std::string domain, const std::string& name, std::vector<ValueId> inputs,
            graph::Attributes attributes = {}, size_t outputs = 1);
  Node make_view(const std::string& name, ValueId input, const core::SymShape& to);

 private:
  Graph& graph_;
  const Uses& uses_;
};

using Rule = std::optional<Patch> (*)(Matcher&, const Node&);

// Applies the rules over the graph until nothing changes; dead nodes are removed. Returns the number of
// patches.
int apply_rules(Graph& graph, const std::vector<Rule>& rules);

inline Patch replace(ValueId from, ValueId to) { return {{}, {{from, to}}}; }
inline Patch replace_with(ValueId from, Node node) {
  const ValueId to = node.outputs[0];
  return {{std::move(node)}, {{from, to}}};
}

}  // namespace vulcap::passes
