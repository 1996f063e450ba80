// Removing what a graph does not need.
#pragma once

#include "runtime/graph/graph.h"

namespace vulcap::graph {

// Removes graph inputs that no node reads and that are no output. Values keep their ids.
void drop_unread_inputs(Graph& graph);

}  // namespace vulcap::graph
