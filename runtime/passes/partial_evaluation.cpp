#include "runtime/passes/partial_evaluation.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "runtime/core/error.h"
#include "runtime/ops/op_registry.h"
#include "runtime/passes/fold.h"
#include "runtime/passes/node_key.h"
#include "runtime/passes/open_shapes.h"
#include "runtime/passes/specialise.h"

namespace vulcap::passes {
namespace {

using core::Dim;
using core::SymShape;
using core::Tensor;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Value;
using graph::ValueId;

// A constant of which folding must not leave a second copy.
constexpr size_t kLargeWeight = size_t(1) << 16;

using Subgraph = std::shared_ptr<const Graph>;

// How many nodes read each value of a graph, under all its names.
class Readers {
 public:
  explicit Readers(const Graph& graph) : graph_(graph), roots_(graph.values.size()), counts_(roots_.size()) {
    std::iota(roots_.begin(), roots_.end(), 0);
    for (const ValueId out : graph.outputs) ++counts_[size_t(out)];
    for (const Node& node : graph.nodes) {
      for (const ValueId in : node.inputs) {
        if (in == kNoValue) continue;
        if (node.is("Identity")) roots_[size_t(node.outputs[0])] = roots_[size_t(in)];
        if (!node.is("Identity")) ++counts_[size_t(roots_[size_t(in)])];
      }
    }
  }

  // Whether no other node reads the large constants that `node` does.
  bool only(const Node& node) const {
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId in) {
      if (in == kNoValue) return true;
      const size_t root = size_t(roots_[size_t(in)]);
      const auto& constant = graph_.values[root].constant;
      return !constant || constant->bytes().size() < kLargeWeight || counts_[root] == 1;
    });
  }

 private:
  const Graph& graph_;
  std::vector<ValueId> roots_;
  std::vector<int> counts_;
};

enum class Shapes { kOpen, kAssumed, kKnown };

class PartialEvaluator {
 public:
  explicit PartialEvaluator(Graph& out) : out_(out) {}

  // `map` holds the inputs and captures of `from` among the values made here.
  void walk(const Graph& from, std::vector<ValueId>& map) {
    for (size_t v = 0; v < from.values.size(); ++v) {
      if (from.values[v].constant && map[v] == kNoValue) map[v] = first_equal(out_.add_value(from.values[v]));
    }
    const Readers readers(from);
    for (const Node& node : from.nodes) visit(from, readers, node, map);
  }

 private:
  static ValueId mapped(const std::vector<ValueId>& map, ValueId id) {
    return id == kNoValue ? kNoValue : map[size_t(id)];
  }

  void visit(const Graph& from, const Readers& readers, const Node& original, std::vector<ValueId>& map) {
    Node node = original;
    if (node.domain.starts_with(kOpenDomain)) node.domain.erase(0, kOpenDomain.size());
    if (node.is("If")) return visit_if(from, node, map);
    const bool single_reader = readers.only(node);
    for (ValueId& in : node.inputs) in = mapped(map, in);
    if (node.is("Identity")) {
      map[size_t(node.outputs.at(0))] = node.inputs.at(0);
      return;
    }
    if (node.is("CastLike")) name_dtype(node);
    std::string key = key_of(node);
    if (!key.empty())
      for (const ValueId in : node.inputs) key += "\n" + std::to_string(in);
    if (const auto equal = seen_.find(key); !key.empty() && equal != seen_.end()) {
      for (size_t i = 0; i < node.outputs.size(); ++i)
        if (node.outputs[i] != kNoValue) map[size_t(node.outputs[i])] = equal->second[i];
      return;
    }
    add_outputs(from, node, map);
    finish(node, single_reader);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      node.outputs[i] = first_equal(node.outputs[i]);
      map[size_t(original.outputs[i])] = node.outputs[i];
    }
    if (!key.empty() && std::find(node.outputs.begin(), node.outputs.end(), kNoValue) == node.outputs.end())
      seen_[key] = node.outputs;
  }

  void add_outputs(const Graph& from, Node& node, std::vector<ValueId>& map) {
    for (ValueId& out : node.outputs) {
      if (out == kNoValue) continue;
      Value value;
      value.name = from.value(out).name;
      value.is_sequence = from.value(out).is_sequence;
      map[size_t(out)] = out_.add_value(std::move(value));
      out = map[size_t(out)];
    }
  }

  void name_dtype(Node& node) const {
    const core::DType dtype = out_.value(node.inputs.at(1)).dtype;
    if (dtype == core::DType::kUndefined) return;
    node.op = "Cast";
    node.inputs.resize(1);
    node.attributes.set("to", int64_t(dtype));  // core::DType has ONNX's numbers
  }

  // Takes in a node on values made here, unless it is computed already.
  void finish(Node& node, bool single_reader) {
    const Shapes shapes = infer(node);
    if (shapes == Shapes::kKnown && single_reader && folded(node)) return;
    if (shapes == Shapes::kKnown && node.is("Reshape")) make_view(node);
    if (shapes != Shapes::kKnown) node.domain.insert(0, kOpenDomain);
    out_.nodes.push_back(node);
  }

  bool is_known(ValueId id) const {
    return id == kNoValue || (out_.value(id).shape && out_.value(id).dtype != core::DType::kUndefined);
  }

  bool all_known(const std::vector<ValueId>& ids) const {
    return std::all_of(ids.begin(), ids.end(), [&](ValueId id) { return is_known(id); });
  }

  // Runs the node's own rule; false when it cannot decide, or only by assuming something.
  bool own_rule(const Node& node) {
    if (is_resolved_by_specialise(node)) return false;
    try {
      ops::infer_node(out_, node);
    } catch (const core::Error&) {
      return false;
    }
    return out_.guards.empty() && all_known(node.outputs);
  }

  void forget(const Node& node) {
    out_.guards.clear();
    for (const ValueId out : node.outputs) {
      if (out == kNoValue) continue;
      Value& value = out_.value(out);
      value = {value.name, core::DType::kUndefined, std::nullopt, std::nullopt, {}, value.is_sequence, 0};
    }
  }

  Shapes infer(const Node& node) {
    if (!all_known(node.inputs)) return Shapes::kOpen;
    if (own_rule(node)) return Shapes::kKnown;
    if (!out_.guards.empty() && all_known(node.outputs) && cuts_table(node)) {
      out_.guards.clear();
      for (const ValueId out : node.outputs)
        if (out != kNoValue) out_.value(out).fact = {};
      return Shapes::kAssumed;
    }
    forget(node);
    if (!is_resolved_by_specialise(node) && infer_open(out_, node)) return Shapes::kKnown;
    forget(node);
    return Shapes::kOpen;
  }

  // The shape of a part of a table of fixed size is right as long as the part lies inside; where it does not,
  // what reads it fails as it did. The node itself must stay as it is.
  bool cuts_table(const Node& node) const {
    return node.is("Slice") && core::is_static(*out_.value(node.inputs[0]).shape);
  }

  bool folded(const Node& node) {
    try {
      return fold(out_, node);
    } catch (const core::Error&) {
      return false;  // an operator without a kernel of this type stays
    }
  }

  void make_view(Node& node) {
    const SymShape& to = *out_.value(node.outputs[0]).shape;
    if (!reshape_target(*out_.value(node.inputs[0]).shape, to)) return;
    std::string text;
    for (const Dim& dim : to) text += (text.empty() ? "" : ",") + dim.text();
    node.op = "View";
    node.domain = "vulcap";
    node.inputs.resize(1);
    node.attributes = {};
    node.attributes.set("to", text);
  }

  // The first value of which is known that it holds the same: a small constant, or sizes.
  ValueId first_equal(ValueId id) {
    const Value& value = out_.value(id);
    std::string key;
    if (value.constant && value.constant->bytes().size() < kLargeWeight) {
      key = "constant " + text_of(*value.constant);
    } else if (!value.constant && value.fact.ints && value.shape && value.shape->size() <= 1) {
      key = std::string(core::dtype_name(value.dtype)) + std::to_string(value.shape->size());
      for (const Dim& dim : *value.fact.ints) key += "," + dim.text();
    }
    return key.empty() ? id : known_.try_emplace(key, id).first->second;
  }

  // ---- If

  std::optional<double> known_condition(ValueId id) const {
    const Value& condition = out_.value(id);
    if (condition.constant && condition.constant->size() == 1) return condition.constant->at_f64(0);
    return condition.fact.splat;
  }

  void visit_if(const Graph& from, Node node, std::vector<ValueId>& map) {
    const std::vector<ValueId> outer = [&] {
      std::vector<ValueId> ids;
      for (const ValueId in : node.inputs) ids.push_back(mapped(map, in));
      return ids;
    }();
    if (const auto known = known_condition(outer.at(0))) {
      const Subgraph* branch = subgraph(node, *known != 0 ? "then_branch" : "else_branch");
      if (branch != nullptr && (*branch)->outputs.size() == node.outputs.size())
        return inline_branch(**branch, node, outer, map);
    }
    add_outputs(from, node, map);
    node.inputs = {outer[0]};
    for (const char* name : {"then_branch", "else_branch"}) {
      if (const Subgraph* branch = subgraph(node, name))
        node.attributes.set(name, evaluated_branch(**branch, outer, node.inputs));
    }
    join_outputs(node);
    node.domain.insert(0, kOpenDomain);
    out_.nodes.push_back(std::move(node));
  }

  static const Subgraph* subgraph(const Node& node, std::string_view name) {
    const graph::Attribute* attribute = node.attributes.find(name);
    return attribute == nullptr ? nullptr : std::get_if<Subgraph>(attribute);
  }

  void inline_branch(const Graph& branch, const Node& node, const std::vector<ValueId>& outer,
                     std::vector<ValueId>& map) {
    std::vector<ValueId> inner(branch.values.size(), kNoValue);
    for (const auto& [id, input] : branch.captures) inner[size_t(id)] = outer.at(input);
    walk(branch, inner);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue) map[size_t(node.outputs[i])] = inner[size_t(branch.outputs[i])];
    }
  }

  // Captured values become further inputs, those that the branch still reads.
  Subgraph evaluated_branch(const Graph& branch, const std::vector<ValueId>& outer,
                            std::vector<ValueId>& inputs) {
    Graph result;
    std::map<ValueId, ValueId> here;  // values captured, by their id outside
    std::vector<ValueId> map(branch.values.size(), kNoValue);
    for (const auto& [id, input] : branch.captures) {
      const auto [entry, added] = here.try_emplace(outer.at(input), kNoValue);
      if (added) entry->second = result.add_value(out_.value(outer[input]));
      map[size_t(id)] = entry->second;
    }
    PartialEvaluator(result).walk(branch, map);
    for (const ValueId out : branch.outputs) result.outputs.push_back(map[size_t(out)]);
    graph::remove_dead_nodes(result);
    const graph::Uses uses(result);
    for (const auto& [outside, inside] : here) {
      if (uses.consumers[size_t(inside)].empty() && uses.output_uses[size_t(inside)] == 0) continue;
      result.captures.emplace_back(inside, inputs.size());
      inputs.push_back(outside);
    }
    return std::make_shared<const Graph>(std::move(result));
  }

  // What both branches agree on.
  void join_outputs(const Node& node) {
    const Subgraph* branches[] = {subgraph(node, "then_branch"), subgraph(node, "else_branch")};
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue || branches[0] == nullptr || branches[1] == nullptr) continue;
      if (i >= (*branches[0])->outputs.size() || i >= (*branches[1])->outputs.size()) continue;
      const Value& a = (*branches[0])->value((*branches[0])->outputs[i]);
      const Value& b = (*branches[1])->value((*branches[1])->outputs[i]);
      if (!a.shape || !b.shape || a.shape->size() != b.shape->size() || a.dtype != b.dtype) continue;
      Value& value = out_.value(node.outputs[i]);
      value.dtype = a.dtype;
      value.shape.emplace();
      for (size_t k = 0; k < a.shape->size(); ++k)
        value.shape->push_back(either_dim((*a.shape)[k], (*b.shape)[k]));
    }
  }

  Graph& out_;
  std::map<std::string, std::vector<ValueId>> seen_;  // outputs of nodes by key_of()
  std::map<std::string, ValueId> known_;              // by what they hold
};

// Whether the text of a size, which vulcap.View holds, says it: files name symbols as they like.
bool can_be_read(const Dim& dim) {
  const std::string text = dim.text();
  try {
    return text.find(',') == std::string::npos && Dim::parse(text) == dim;
  } catch (const core::Error&) {
    return false;
  }
}

// Each subgraph of the graph's nodes through `change`, subgraphs of subgraphs first.
template <typename Change>
void change_subgraphs(Graph& graph, const Change& change) {
  for (Node& node : graph.nodes) {
    const graph::Attributes attributes = node.attributes;
    for (const auto& [name, attribute] : attributes.all()) {
      const auto* old = std::get_if<Subgraph>(&attribute);
      if (old == nullptr) continue;
      Graph copy = **old;
      change_subgraphs(copy, change);
      change(copy);
      node.attributes.set(name, std::make_shared<const Graph>(std::move(copy)));
    }
  }
}

}  // namespace

Graph evaluate_partly(const Graph& graph) {
  Graph result;
  std::vector<ValueId> map(graph.values.size(), kNoValue);
  std::map<std::string, Dim> renamed;
  for (const ValueId input : graph.inputs) {
    Value value = graph.value(input);
    if (value.shape)
      for (Dim& dim : *value.shape)
        if (!can_be_read(dim)) dim = renamed.try_emplace(dim.text(), new_symbol()).first->second;
    map[size_t(input)] = result.add_value(std::move(value));
    result.inputs.push_back(map[size_t(input)]);
  }
  PartialEvaluator(result).walk(graph, map);
  for (const ValueId out : graph.outputs) result.outputs.push_back(map[size_t(out)]);
  graph::remove_dead_nodes(result);
  return result;
}

void run_passes_with_branches(Graph& graph, const std::vector<Pass>& passes) {
  const auto run = [&](Graph& one) {
    for (const Pass& pass : passes) {
      Graph changed = one;
      try {
        pass.run(changed);
      } catch (const core::Error&) {
        continue;
      }
      one = std::move(changed);
    }
  };
  change_subgraphs(graph, run);
  run(graph);
}

size_t count_nodes(const Graph& graph) {
  size_t count = graph.nodes.size();
  for (const Node& node : graph.nodes) {
    for (const auto& [name, attribute] : node.attributes.all())
      if (const auto* sub = std::get_if<Subgraph>(&attribute)) count += count_nodes(**sub);
  }
  return count;
}

void reveal(Graph& graph) {
  const auto run = [](Graph& one) {
    for (Node& node : one.nodes)
      if (node.domain.starts_with(kOpenDomain)) node.domain.erase(0, kOpenDomain.size());
  };
  change_subgraphs(graph, run);
  run(graph);
}

std::optional<std::vector<int64_t>> reshape_target(const SymShape& from, const SymShape& to) {
  std::vector<int64_t> target;
  bool infers = false, empty = false, copies_inside = false;
  for (size_t i = 0; i < to.size(); ++i) {
    const bool copies = i < from.size() && from[i] == to[i];
    empty = empty || to[i] == Dim(0);
    if (to[i].is_constant()) {
      if (to[i] == Dim(0) && !copies) return std::nullopt;
      target.push_back(to[i].value());
    } else if (copies) {
      copies_inside = copies_inside || i > 0;
      target.push_back(0);
    } else if (!infers) {
      infers = true;
      target.push_back(-1);
    } else {
      return std::nullopt;
    }
  }
  // Beside a size of 0, as that of an empty cache, what remains is not defined; a batch is never empty.
  if (infers && (empty || copies_inside)) return std::nullopt;
  return target;
}

}  // namespace vulcap::passes
