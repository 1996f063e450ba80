#pragma once

#include "runtime/graph/graph.h"

namespace vulcap::loader {

// How far an honest engine may be from another one, as a share of an output's range: see verify(). It follows
// from the numbers that the graph computes with; `half`: it runs in fp16 whatever it holds.
double tolerance(const graph::Graph& graph, bool half = false);

}  // namespace vulcap::loader
