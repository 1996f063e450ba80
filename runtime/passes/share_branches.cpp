#include "runtime/passes/share_branches.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "runtime/passes/node_key.h"

namespace vulcap::passes {
namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Value;
using graph::ValueId;

// Larger constants are equal only where they share their bytes.
constexpr size_t kComparedBytes = size_t(1) << 20;

std::string constant_key(const core::Tensor& tensor) {
  if (tensor.bytes().size() <= kComparedBytes) return "c" + text_of(tensor);
  return "p" + std::to_string(reinterpret_cast<uintptr_t>(tensor.bytes().data())) +
         core::shape_text(tensor.shape());
}

// Numbers that two constants or nodes share when they are equal.
using Numbers = std::map<std::string, int>;

int number_of(Numbers& numbers, const std::string& key) {
  return numbers.try_emplace(key, int(numbers.size())).first->second;
}

// What each node of a branch computes, as a number; -1 for nodes that have none to compare.
std::vector<int> expressions(const Graph& branch, const Node& owner, Numbers& numbers) {
  std::vector<std::string> operands(branch.values.size());
  for (size_t v = 0; v < branch.values.size(); ++v) {
    if (branch.values[v].constant) operands[v] = constant_key(*branch.values[v].constant);
  }
  for (const auto& [id, input] : branch.captures)
    operands[size_t(id)] = "v" + std::to_string(owner.inputs[input]);
  std::vector<int> result;
  for (const Node& node : branch.nodes) {
    std::string key = key_of(node);
    for (const ValueId in : node.inputs)
      key += "\n" +
             (in == kNoValue ? std::string("-") : std::to_string(number_of(numbers, operands[size_t(in)])));
    const bool absent = std::find(node.outputs.begin(), node.outputs.end(), kNoValue) != node.outputs.end();
    const bool comparable = !key_of(node).empty() && !absent;
    result.push_back(comparable ? number_of(numbers, key) : -1);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      operands[size_t(node.outputs[i])] = comparable
                                              ? "e" + std::to_string(result.back()) + "." + std::to_string(i)
                                              : "n" + std::to_string(reinterpret_cast<uintptr_t>(&branch)) +
                                                    "/" + std::to_string(node.outputs[i]);
    }
  }
  return result;
}

class BranchSharer {
 public:
  explicit BranchSharer(Graph& graph) : graph_(graph) {}

  int run() {
    std::vector<Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (Node& node : nodes) {
      share(node);
      graph_.nodes.push_back(std::move(node));
    }
    return shared_;
  }

 private:
  void share(Node& owner) {
    static constexpr std::array kNames = {"then_branch", "else_branch"};
    std::vector<Graph> branches;
    for (const char* name : kNames) {
      const graph::Attribute* attribute = owner.attributes.find(name);
      const auto* sub = attribute == nullptr ? nullptr : std::get_if<std::shared_ptr<const Graph>>(attribute);
      if (sub == nullptr) return;
      branches.push_back(**sub);
    }
    Numbers numbers;
    const auto first = expressions(branches[0], owner, numbers);
    const auto second = expressions(branches[1], owner, numbers);
    std::set<int> common;
    const std::set<int> others(second.begin(), second.end());
    for (const int number : first)
      if (number >= 0 && others.count(number)) common.insert(number);
    if (common.empty()) return;
    std::map<int, std::vector<ValueId>> outside;  // outputs of a shared node, by its number
    lift(branches[0], owner, first, common, outside);
    shared_ += int(outside.size());
    replace(branches[0], owner, first, outside);
    replace(branches[1], owner, second, outside);
    for (size_t i = 0; i < kNames.size(); ++i)
      owner.attributes.set(kNames[i], std::make_shared<const Graph>(std::move(branches[i])));
  }

  // Copies the branch's common nodes in front of their owner.
  void lift(const Graph& branch, const Node& owner, const std::vector<int>& numbers,
            const std::set<int>& common, std::map<int, std::vector<ValueId>>& outside) {
    std::vector<ValueId> map(branch.values.size(), kNoValue);
    for (const auto& [id, input] : branch.captures) map[size_t(id)] = owner.inputs[input];
    const auto mapped = [&](ValueId id) {
      if (id != kNoValue && map[size_t(id)] == kNoValue) map[size_t(id)] = graph_.add_value(branch.value(id));
      return id == kNoValue ? kNoValue : map[size_t(id)];
    };
    for (size_t n = 0; n < branch.nodes.size(); ++n) {
      if (!common.count(numbers[n])) continue;
      Node node = branch.nodes[n];
      for (ValueId& in : node.inputs) in = mapped(in);
      for (ValueId& out : node.outputs) out = mapped(out);
      outside.try_emplace(numbers[n], node.outputs);
      graph_.nodes.push_back(std::move(node));
    }
  }

  // The branch captures what is computed outside of it now.
  static void replace(Graph& branch, Node& owner, const std::vector<int>& numbers,
                      const std::map<int, std::vector<ValueId>>& outside) {
    std::vector<Node> kept;
    std::vector<std::pair<ValueId, ValueId>> moved;  // here, outside
    for (size_t n = 0; n < branch.nodes.size(); ++n) {
      const auto found = outside.find(numbers[n]);
      if (found == outside.end()) {
        kept.push_back(std::move(branch.nodes[n]));
        continue;
      }
      for (size_t i = 0; i < found->second.size(); ++i)
        moved.emplace_back(branch.nodes[n].outputs[i], found->second[i]);
    }
    branch.nodes = std::move(kept);
    const graph::Uses uses(branch);
    for (const auto& [here, there] : moved) {
      if (uses.consumers[size_t(here)].empty() && uses.output_uses[size_t(here)] == 0) continue;
      branch.captures.emplace_back(here, owner.inputs.size());
      owner.inputs.push_back(there);
    }
  }

  Graph& graph_;
  int shared_ = 0;
};

}  // namespace

int share_branches(Graph& graph) { return BranchSharer(graph).run(); }

}  // namespace vulcap::passes
