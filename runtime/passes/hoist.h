// Loop-invariant hoisting: what depends only on given inputs (the encoder's output) is computed once an
// image.
#pragma once

#include <string>
#include <vector>

#include "runtime/graph/graph.h"

namespace vulcap::passes {

struct Hoisted {
  graph::Graph prelude;             // invariant inputs -> shared values
  graph::Graph rest;                // takes the shared values as inputs instead
  std::vector<std::string> shared;  // names of the values handed over; outputs of prelude, inputs of rest
};

// One flag a value: whether it follows from the given inputs and constants alone, from at least one such
// input.
std::vector<bool> invariant_values(const graph::Graph& graph, const std::vector<std::string>& inputs);

// Splits `graph` after its other passes. Shared values are the invariant operands of nodes that vary.
Hoisted hoist(const graph::Graph& graph, const std::vector<std::string>& invariant_inputs);

// The graph of which `prelude` and `rest` are the parts: inputs of `rest` named like outputs of `prelude` are
// those. Inputs that only `prelude` has come last.
graph::Graph join_prelude(const graph::Graph& prelude, const graph::Graph& rest);

}  // namespace vulcap::passes
