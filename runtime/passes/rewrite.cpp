#include "runtime/passes/rewrite.h"

#include <algorithm>
#include <cmath>

#include "runtime/ops/op_registry.h"

namespace vulcap::passes {
namespace {

// Rules see indices of the graph as it is at every step, so a patch updates them at once.
class Engine {
 public:
  explicit Engine(Graph& graph) : graph_(graph), uses_(graph) {}

  int sweep(const std::vector<Rule>& rules) {
    int applied = 0;
    Matcher matcher(graph_, uses_);
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (size_t r = 0; r < rules.size() && !graph_.nodes[n].outputs.empty(); ++r) {
        const Node node = graph_.nodes[n];
        auto patch = rules[r](matcher, node);
        grow();
        if (!patch) continue;
        apply(*patch);
        ++applied;
      }
    }
    return applied;
  }

 private:
  void grow() {
    uses_.producer.resize(graph_.values.size(), -1);
    uses_.consumers.resize(graph_.values.size());
    uses_.output_uses.resize(graph_.values.size(), 0);
  }

  void apply(Patch& patch) {
    for (Node& node : patch.nodes) {
      const auto index = int32_t(graph_.nodes.size());
      for (ValueId in : node.inputs) {
        if (in != kNoValue) uses_.consumers[size_t(in)].push_back(index);
      }
      for (ValueId out : node.outputs) uses_.producer[size_t(out)] = index;
      graph_.nodes.push_back(std::move(node));
    }
    for (const auto& [from, to] : patch.replaced) replace_reads(from, to);
    for (const auto& [from, to] : patch.replaced) drop_if_dead(from);
  }

  void replace_reads(ValueId from, ValueId to) {
    for (int32_t reader : uses_.consumers[size_t(from)]) {
      for (ValueId& in : graph_.nodes[size_t(reader)].inputs) {
        if (in == from) in = to;
      }
    }
    auto& moved = uses_.consumers[size_t(from)];
    auto& target = uses_.consumers[size_t(to)];
    target.insert(target.end(), moved.begin(), moved.end());
    moved.clear();
    for (ValueId& out : graph_.outputs) {
      if (out != from) continue;
      out = to;
      std::swap(graph_.value(from).name, graph_.value(to).name);
      --uses_.output_uses[size_t(from)];
      ++uses_.output_uses[size_t(to)];
    }
  }

  // Removing dead producers at once keeps single_use() true to the graph.
  void drop_if_dead(ValueId value) {
    const int32_t index = uses_.producer[size_t(value)];
    if (index < 0) return;
    Node& node = graph_.nodes[size_t(index)];
    for (ValueId out : node.outputs) {
      if (out != kNoValue && (!uses_.consumers[size_t(out)].empty() || uses_.output_uses[size_t(out)] > 0))
        return;
    }
    const std::vector<ValueId> inputs = std::move(node.inputs);
    for (ValueId out : node.outputs) {
      if (out != kNoValue) uses_.producer[size_t(out)] = -1;
    }
    node.inputs.clear();
    node.outputs.clear();
    for (ValueId in : inputs) {
      if (in == kNoValue) continue;
      auto& readers = uses_.consumers[size_t(in)];
      readers.erase(std::find(readers.begin(), readers.end(), index));
      if (readers.empty()) drop_if_dead(in);
    }
  }

  Graph& graph_;
  Uses uses_;
};

}  // namespace

const Node* Matcher::producer(ValueId id) const {
  if (id == kNoValue) return nullptr;
  const int32_t index = uses_.producer[size_t(id)];
  return index < 0 ? nullptr : &graph_.nodes[size_t(index)];
}

const Node* Matcher::producer(ValueId id, std::string_view op, std::string_view domain) const {
  const Node* node = producer(id);
  return node != nullptr && node->is(op, domain) ? node : nullptr;
}

bool Matcher::single_data_use(ValueId id) const {
  const auto& readers = uses_.consumers[size_t(id)];
  const auto count = std::count_if(readers.begin(), readers.end(), [&](int32_t reader) {
    const Node& node = graph_.nodes[size_t(reader)];
    return !node.is("Shape") && !node.is("Size");
  });
  return count == 1 && uses_.output_uses[size_t(id)] == 0;
}

const Node* Matcher::only_reader(ValueId id) const {
  return single_use(id) ? &graph_.nodes[size_t(uses_.consumers[size_t(id)][0])] : nullptr;
}

std::optional<double> Matcher::splat(ValueId id) const {
  if (id == kNoValue) return std::nullopt;
  const Value& value = graph_.value(id);
  if (value.fact.splat) return value.fact.splat;
  if (!value.constant || value.constant->size() == 0 || value.constant->size() > 4096) return std::nullopt;
  const double first = value.constant->at_f64(0);
  for (size_t i = 1; i < value.constant->size(); ++i) {
    if (value.constant->at_f64(i) != first) return std::nullopt;
  }
  return first;
}

bool Matcher::is_splat(ValueId id, double number, double tolerance) const {
  const auto found = splat(id);
  return found && std::abs(*found - number) <= tolerance * std::max(1.0, std::abs(number));
}

std::optional<std::pair<ValueId, double>> Matcher::split_splat(const Node& node) const {
  if (node.inputs.size() != 2) return std::nullopt;
  if (const auto right = splat(node.inputs[1])) return std::pair{node.inputs[0], *right};
  if (const auto left = splat(node.inputs[0])) return std::pair{node.inputs[1], *left};
  return std::nullopt;
}

Node Matcher::make(std::string op, std::string domain, const std::string& name, std::vector<ValueId> inputs,
                   graph::Attributes attributes, size_t outputs) {
  Node node{std::move(op), std::move(domain), name, std::move(inputs), {}, std::move(attributes)};
  for (size_t i = 0; i < outputs; ++i) {
    Value value;
    value.name = name + "#" + node.op + (i == 0 ? "" : std::to_string(i));
    node.outputs.push_back(graph_.add_value(std::move(value)));
  }
  ops::infer_node(graph_, node);
  return node;
}

Node Matcher::make_view(const std::string& name, ValueId input, const core::SymShape& to) {
  std::string text;
  for (const core::Dim& dim : to) text += (text.empty() ? "" : ",") + dim.text();
  graph::Attributes attributes;
  attributes.set("to", text);
  return make("View", "vulcap", name, {input}, std::move(attributes));
}

int apply_rules(Graph& graph, const std::vector<Rule>& rules) {
  int total = 0;
  // Every patch removes or specialises a node, so the bound is only against a pair of rules that undo each
  // other.
  for (int round = 0; round < 32; ++round) {
    const int applied = Engine(graph).sweep(rules);
    std::erase_if(graph.nodes, [](const Node& node) { return node.outputs.empty(); });
    graph::sort_topologically(graph);
    if (applied == 0) break;
    total += applied;
  }
  graph::remove_dead_nodes(graph);
  return total;
}

}  // namespace vulcap::passes
