// Sequences exist only while a graph is specialised: each is a list of values whose length is known, and the
// operators on sequences (ONNX SequenceConstruct-11 ... SplitToSequence-24) become operators on their
// elements.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/graph/graph.h"

namespace vulcap::passes {

// Name of an input or output that stands for one element of the sequence `name`.
std::string element_name(const std::string& name, size_t index);

class Sequences {
 public:
  using List = std::vector<graph::ValueId>;
  // `constant` gives the value of an operand that must be known; `add` takes a node with inferred outputs
  // left to it and returns the values that stand for them.
  struct Hooks {
    std::function<core::Tensor(graph::ValueId)> constant;
    std::function<List(graph::Node, size_t outputs)> add;
  };

  Sequences(graph::Graph& graph, Hooks hooks) : graph_(graph), hooks_(std::move(hooks)) {}

  bool holds(graph::ValueId id) const { return lists_.count(id) > 0; }
  const List& list(graph::ValueId id) const { return lists_.at(id); }
  // A value that stands for the list.
  graph::ValueId make(std::string name, List list);
  // Whether the node works on sequences; `node` has mapped inputs.
  bool handles(const graph::Node& node) const;
  // The value that stands for the node's output: a list's, or a tensor's.
  graph::ValueId visit(const graph::Node& node);

 private:
  const List& operand(const graph::Node& node, size_t i) const;
  // A position operand in [0, size); `size` itself is allowed when `end` is.
  size_t position(const graph::Node& node, size_t i, size_t size, bool end);
  graph::ValueId insert(const graph::Node& node);
  graph::ValueId erase(const graph::Node& node);
  graph::ValueId length(const graph::Node& node);
  graph::ValueId concat(const graph::Node& node);
  graph::ValueId split(const graph::Node& node);
  graph::ValueId axes_node(std::string_view op, const graph::Node& node, graph::ValueId value, int64_t axis);

  graph::Graph& graph_;
  Hooks hooks_;
  std::map<graph::ValueId, List> lists_;
};

}  // namespace vulcap::passes
