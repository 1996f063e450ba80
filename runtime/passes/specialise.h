// First stage: a graph with symbolic inputs becomes one for given sizes. Walks the nodes once, in order:
// chooses `If` branches, runs shape rules, computes shape arithmetic on the host and folds constants.
#pragma once

#include <map>
#include <string>

#include "runtime/core/tensor.h"
#include "runtime/graph/graph.h"

namespace vulcap::passes {

struct InputSpec {
  core::SymShape shape;                  // constant, but for $past
  std::optional<core::Tensor> constant;  // the input's value when the plan is made for that value only
  int64_t capacity = 0;                  // see graph::Value::capacity
};

// `inputs` names every input of `graph`; throws Error(kInvalidModel) when one is missing, has another rank
// than declared or contradicts a declared constant dim, and when a node's shape rule refuses its operands.
graph::Graph specialise(const graph::Graph& graph, const std::map<std::string, InputSpec>& inputs);

// Binds symbols of declared shapes to `values`, for plans made before real inputs are known (vulcap inspect).
core::SymShape bind_symbols(const core::SymShape& declared, const std::map<core::Symbol, int64_t>& values);

}  // namespace vulcap::passes
