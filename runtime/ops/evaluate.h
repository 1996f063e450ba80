// Runs one node on the host with the scalar references: constant folding and the oracle of operator tests.
#pragma once

#include <vector>

#include "runtime/core/tensor.h"
#include "runtime/graph/graph.h"

namespace vulcap::ops {

// Inputs of `node` must be constants of `graph` (or absent) and its outputs inferred with constant sizes.
// Returns one tensor an output. Throws what the operator's lowering or kernels throw.
std::vector<core::Tensor> evaluate(const graph::Graph& graph, const graph::Node& node);

}  // namespace vulcap::ops
