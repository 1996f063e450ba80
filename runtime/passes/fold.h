// Constant folding of one node whose outputs have been inferred.
#pragma once

#include "runtime/graph/graph.h"

namespace vulcap::passes {

// True when all outputs became constants and the node is not needed: its shape rule computed them, they are
// known sizes, or its inputs are constants (unless the result would be large and larger than the inputs).
// Otherwise an element-wise node over uniform operands gets the fact that it is uniform.
bool fold(graph::Graph& graph, const graph::Node& node);

}  // namespace vulcap::passes
