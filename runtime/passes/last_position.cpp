#include "runtime/passes/last_position.h"

#include <algorithm>

#include "runtime/ops/op_registry.h"

namespace vulcap::passes {
namespace {

using core::Dim;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Uses;
using graph::Value;
using graph::ValueId;

constexpr int64_t kToTheEnd = INT64_MAX;

bool by_position(const Node& node) {
  return node.is("Linear", "vulcap") || (node.is("LayerNormalization") && node.outputs.size() == 1) ||
         node.is("Cast") || node.is("Add") || node.is("Mul") || node.is("Div");
}

class LastPosition {
 public:
  explicit LastPosition(Graph& graph) : graph_(graph) {}

  // A value that holds the last position of `value`, [rows, length, width]; nodes for it are appended.
  ValueId last_of(ValueId value) {
    const Uses uses(graph_);
    const int32_t producer = uses.producer[size_t(value)];
    const bool only_reader =
        uses.consumers[size_t(value)].size() + size_t(uses.output_uses[size_t(value)]) <= 1;
    if (producer < 0 || !only_reader || !moves_up(graph_.nodes[size_t(producer)], value)) return slice(value);
    Node node = graph_.nodes[size_t(producer)];
    for (ValueId& in : node.inputs) {
      if (in != kNoValue && has_positions(in, value)) in = last_of(in);
    }
    ++shrunk_;
    return append(std::move(node), graph_.value(value).name);
  }

  int shrunk() const { return shrunk_; }

 private:
  bool has_positions(ValueId in, ValueId out) const {
    const auto& shape = *graph_.value(in).shape;
    const auto& like = *graph_.value(out).shape;
    return !graph_.value(in).constant && shape.size() == like.size() && shape[1] == like[1];
  }

  // Every operand has the positions of the result or none at all.
  bool moves_up(const Node& node, ValueId out) const {
    if (!by_position(node) || graph_.value(out).shape->size() != 3) return false;
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId in) {
      if (in == kNoValue || has_positions(in, out)) return true;
      const auto& shape = *graph_.value(in).shape;
      return shape.size() < 2 || (graph_.value(in).constant && node.is("Linear", "vulcap"));
    });
  }

  ValueId slice(ValueId value) {
    const auto number = [&](const char* what, int64_t n) {
      return graph_.add_constant(graph_.value(value).name + "/" + what,
                                 core::Tensor::from<int64_t>(core::DType::kI64, {1}, {n}));
    };
    Node node{"Slice", "", graph_.value(value).name + "/last", {}, {kNoValue}, {}};
    node.inputs = {value, number("from", -1), number("to", kToTheEnd), number("axis", 1)};
    return append(std::move(node), graph_.value(value).name);
  }

  ValueId append(Node node, const std::string& name) {
    Value value;
    value.name = name + "/last";
    node.outputs[0] = graph_.add_value(std::move(value));
    ops::infer_node(graph_, node);
    graph_.nodes.push_back(node);
    return node.outputs[0];
  }

  Graph& graph_;
  int shrunk_ = 0;
};

}  // namespace

int keep_last_position(Graph& graph, const std::string& name) {
  const auto out = std::find_if(graph.outputs.begin(), graph.outputs.end(),
                                [&](ValueId id) { return graph.value(id).name == name; });
  if (out == graph.outputs.end()) return 0;
  const auto& shape = *graph.value(*out).shape;
  if (shape.size() != 3 || !shape[1].is_constant() || shape[1].value() <= 1) return 0;
  const ValueId whole = *out;
  LastPosition rewriter(graph);
  *out = kNoValue;  // no longer a use of its own
  std::erase(graph.outputs, kNoValue);
  const ValueId last = rewriter.last_of(whole);
  graph.value(whole).name += "/all";
  graph.value(last).name = name;
  graph.outputs.insert(graph.outputs.begin(), last);
  graph::remove_dead_nodes(graph);
  return rewriter.shrunk();
}

}  // namespace vulcap::passes
