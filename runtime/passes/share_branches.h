// What both branches of an `If` compute alike from outside of it is computed once, in front of it.
#pragma once

#include "runtime/graph/graph.h"

namespace vulcap::passes {

// Of the graph's own nodes; returns how many were shared. Merged decoders hold most of what they compute in
// two branches, what follows from the encoder's output among it.
int share_branches(graph::Graph& graph);

}  // namespace vulcap::passes
