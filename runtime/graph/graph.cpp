#include "runtime/graph/graph.h"

#include <algorithm>

#include "runtime/core/error.h"

namespace vulcap::graph {
namespace {

template <typename T>
T get_or(const Attribute* attribute, std::string_view name, T fallback) {
  if (attribute == nullptr) return fallback;
  if (const T* value = std::get_if<T>(attribute)) return *value;
  throw core::Error(core::ErrorCode::kInvalidModel,
                    "attribute '" + std::string(name) + "' has an unexpected type");
}

}  // namespace

const Attribute* Attributes::find(std::string_view name) const {
  const auto entry = map_.find(name);
  return entry == map_.end() ? nullptr : &entry->second;
}

int64_t Attributes::integer(std::string_view name, int64_t fallback) const {
  return get_or<int64_t>(find(name), name, fallback);
}

float Attributes::real(std::string_view name, float fallback) const {
  return get_or<float>(find(name), name, fallback);
}

std::string Attributes::text(std::string_view name, std::string fallback) const {
  return get_or<std::string>(find(name), name, std::move(fallback));
}

std::vector<int64_t> Attributes::integers(std::string_view name, std::vector<int64_t> fallback) const {
  return get_or<std::vector<int64_t>>(find(name), name, std::move(fallback));
}

ValueId Graph::add_constant(std::string name, core::Tensor tensor) {
  Value value;
  value.name = std::move(name);
  value.dtype = tensor.dtype();
  value.shape = SymShape(tensor.shape().begin(), tensor.shape().end());
  value.constant = std::move(tensor);
  return add_value(std::move(value));
}

ValueId Graph::find_input(std::string_view name) const {
  for (ValueId id : inputs) {
    if (value(id).name == name) return id;
  }
  return kNoValue;
}

ValueId Graph::find_value(std::string_view name) const {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].name == name) return ValueId(i);
  }
  return kNoValue;
}

Uses::Uses(const Graph& graph)
    : producer(graph.values.size(), -1), consumers(graph.values.size()), output_uses(graph.values.size(), 0) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (ValueId in : graph.nodes[n].inputs) {
      if (in != kNoValue) consumers[size_t(in)].push_back(int32_t(n));
    }
    for (ValueId out : graph.nodes[n].outputs) {
      if (out != kNoValue) producer[size_t(out)] = int32_t(n);
    }
  }
  for (ValueId out : graph.outputs) ++output_uses[size_t(out)];
}

void remove_dead_nodes(Graph& graph) {
  std::vector<bool> live(graph.values.size(), false);
  for (ValueId out : graph.outputs) live[size_t(out)] = true;
  std::vector<bool> keep(graph.nodes.size(), false);
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    keep[n] = std::any_of(node.outputs.begin(), node.outputs.end(),
                          [&](ValueId out) { return out != kNoValue && live[size_t(out)]; });
    if (!keep[n]) continue;
    for (ValueId in : node.inputs) {
      if (in != kNoValue) live[size_t(in)] = true;
    }
  }
  size_t n = 0;
  std::erase_if(graph.nodes, [&](const Node&) { return !keep[n++]; });
}

void sort_topologically(Graph& graph) {
  const Uses uses(graph);
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> mark(graph.nodes.size(), kNew);
  std::vector<size_t> order;
  std::vector<std::pair<size_t, size_t>> stack;  // node, next input
  auto visit = [&](size_t root) {
    if (mark[root] != kNew) return;
    mark[root] = kOpen;
    stack.emplace_back(root, 0);
    while (!stack.empty()) {
      const size_t n = stack.back().first;
      if (stack.back().second == graph.nodes[n].inputs.size()) {
        mark[n] = kDone;
        order.push_back(n);
        stack.pop_back();
        continue;
      }
      const ValueId in = graph.nodes[n].inputs[stack.back().second++];
      const int32_t from = in == kNoValue ? -1 : uses.producer[size_t(in)];
      if (from < 0 || mark[size_t(from)] == kDone) continue;
      if (mark[size_t(from)] == kOpen)
        throw core::Error(core::ErrorCode::kInvalidModel, "the graph has a cycle");
      mark[size_t(from)] = kOpen;
      stack.emplace_back(size_t(from), 0);
    }
  };
  for (ValueId out : graph.outputs) {
    if (uses.producer[size_t(out)] >= 0) visit(size_t(uses.producer[size_t(out)]));
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) visit(n);
  std::vector<Node> sorted;
  for (size_t n : order) sorted.push_back(std::move(graph.nodes[n]));
  graph.nodes = std::move(sorted);
}

void check(const Graph& graph) {
  std::vector<int> definitions(graph.values.size(), 0);
  for (ValueId in : graph.inputs) ++definitions[size_t(in)];
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (graph.values[v].constant) ++definitions[v];
  }
  for (const auto& [id, input] : graph.captures) ++definitions[size_t(id)];
  for (const Node& node : graph.nodes) {
    for (ValueId out : node.outputs) {
      if (out != kNoValue) ++definitions[size_t(out)];
    }
  }
  auto require = [&](ValueId id, const std::string& reader) {
    if (id == kNoValue || definitions[size_t(id)] == 1) return;
    const char* problem =
        definitions[size_t(id)] == 0 ? "' that nothing produces" : "' that is produced twice";
    throw core::Error(core::ErrorCode::kInvalidModel, reader + " reads '" + graph.value(id).name + problem);
  };
  for (const Node& node : graph.nodes) {
    for (ValueId in : node.inputs) require(in, "node '" + node.name + "' (" + node.op + ")");
  }
  for (ValueId out : graph.outputs) require(out, "the graph's output list");
}

}  // namespace vulcap::graph
