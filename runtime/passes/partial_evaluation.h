// Folding where sizes stay open: for graphs that are written back to a file and run with any sizes. A graph
// that is about to run is specialised instead.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/passes/pass.h"

namespace vulcap::passes {

// The same graph, computed as far as constants and declared sizes allow, equal symbols standing for equal
// sizes: constants and shape arithmetic are folded, equal nodes become one, an `If` whose condition is known
// becomes its branch, `Reshape` to a shape that reshape_target() can state becomes vulcap.View. Branches of
// other `If`s are graphs that capture values as before; bodies of loops stay as they are. No weight is copied
// for the sake of folding while others read it. Values have shapes where these are known; the domain of nodes
// with an operand or output without one begins with kOpenDomain until reveal(), so that no pass takes them
// for what they are. Symbols that no file has are new in every call: views of an earlier one must have become
// Reshape again.
graph::Graph evaluate_partly(const graph::Graph& graph);

inline constexpr std::string_view kOpenDomain = "open:";

// Runs passes on a graph of evaluate_partly(), in branches too. One that needs a size that is open is left
// out.
void run_passes_with_branches(graph::Graph& graph, const std::vector<Pass>& passes);

// Of the graph and its subgraphs.
size_t count_nodes(const graph::Graph& graph);

// Gives all nodes their domains back.
void reveal(graph::Graph& graph);

// What ONNX's Reshape takes to turn `from` into `to`: 0 copies a size, -1 is what remains. Nothing where that
// does not state it, for each size that a symbol may have.
std::optional<std::vector<int64_t>> reshape_target(const core::SymShape& from, const core::SymShape& to);

}  // namespace vulcap::passes
