// Generation reads the scores of the last position alone: work on the others is left out where the graph
// allows it.
#pragma once

#include <string>

#include "runtime/graph/graph.h"

namespace vulcap::passes {

// The output `name`, [rows, length, vocabulary], becomes [rows, 1, vocabulary], its last position; nodes that
// compute position by position (products with a weight, normalisations, element-wise ones) compute that
// position only. Returns how many nodes compute less than before. Run after all other passes.
int keep_last_position(graph::Graph& graph, const std::string& name);

}  // namespace vulcap::passes
