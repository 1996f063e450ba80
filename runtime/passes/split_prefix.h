// Decoders that take image and text as one sequence (GIT) compute the image's positions anew with every
// token, though these never see the text. Here such a sequence is computed in two parts, so that hoisting can
// keep the first one.
#pragma once

#include <string>
#include <vector>

#include "runtime/graph/graph.h"

namespace vulcap::passes {

// From Concat(prefix, rest) along positions, with a prefix that follows from the invariant inputs alone,
// nodes that work position by position are made twice, and attention whose mask hides the rest from the
// prefix once over the prefix and once over everything. Returns how many nodes were split.
int split_prefix(graph::Graph& graph, const std::vector<std::string>& invariant_inputs);

}  // namespace vulcap::passes
