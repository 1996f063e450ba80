// First stage: a graph with symbolic inputs becomes one for given sizes. Walks the nodes once, in order:
// chooses `If` branches, runs shape rules, computes shape arithmetic on the host and folds constants.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/core/tensor.h"
#include "runtime/graph/graph.h"

namespace vulcap::passes {

struct InputSpec {
  core::SymShape shape;                  // constant, but for $past
  std::optional<core::Tensor> constant;  // the input's value when the plan is made for that value only
  int64_t capacity = 0;                  // see graph::Value::capacity
  graph::Fact fact;                      // what the caller promises of the input's content
};

// `inputs` names every input of `graph`; throws Error(kInvalidModel) when one is missing, has another rank
// than declared or contradicts a declared constant dim, and when a node's shape rule refuses its operands;
// ops::NeedsValue when a size depends on data.
graph::Graph specialise(const graph::Graph& graph, const std::map<std::string, InputSpec>& inputs);

// Control flow and sequences have no shape rule of their own: specialise() replaces them.
bool is_resolved_by_specialise(const graph::Node& node);

// A tensor, or the elements of a sequence; an absent operand is neither.
struct KnownValue {
  bool is_sequence = false;
  std::vector<core::Tensor> tensors;

  bool is_tensor() const { return !is_sequence && tensors.size() == 1; }
};

// What runs gave so far, in the order in which specialise_in_stages asked.
using KnownValues = std::vector<std::vector<KnownValue>>;

// The whole graph, or the part that must run first because sizes depend on its results.
struct Stage {
  graph::Graph graph;  // not complete: its outputs are the values asked for
  bool complete = true;
  // Loop or Scan whose operands were asked for; the answer to give are the node's outputs. Points into the
  // graph that was specialised. nullptr: the answer is the one value itself.
  const graph::Node* control = nullptr;
  // One an operand of `control`: how many outputs of the graph it takes (none when it is absent), and whether
  // they are the elements of a sequence.
  struct Operand {
    bool is_sequence = false;
    size_t values = 0;
  };
  std::vector<Operand> operands;
};

// As specialise(), but where a size, a condition or a loop depends on data, the graph ends there. Whoever
// runs it appends the answer to `known` and asks again. Answers to a Loop or Scan become inputs named
// known_input(question, output), those that are sequences an input an element.
Stage specialise_in_stages(const graph::Graph& graph, const std::map<std::string, InputSpec>& inputs,
                           const KnownValues& known);
std::string known_input(size_t question, size_t output);

// Binds symbols of declared shapes to `values`, for plans made before real inputs are known (vulcap inspect).
core::SymShape bind_symbols(const core::SymShape& declared, const std::map<core::Symbol, int64_t>& values);

}  // namespace vulcap::passes
