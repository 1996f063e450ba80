// Lets beams share one cache: attention over cached keys reads the cache row of each position from a table,
// so that a reorder moves no keys or values.
#pragma once

#include <string_view>

#include "runtime/graph/graph.h"

namespace vulcap::passes {

inline constexpr std::string_view kBeamRows = "$rows";  // graph input i32[rows, capacity]

// Adds the table to every attention node over cached keys. Returns how many there are.
int add_beam_rows(graph::Graph& graph, int64_t rows, int64_t capacity);

}  // namespace vulcap::passes
