// Shapes where sizes stay open: what follows of a node's outputs although its own shape rule, made for
// numbers, cannot decide.
#pragma once

#include "runtime/graph/graph.h"

namespace vulcap::passes {

// A symbol that no file and no other call has.
core::Dim new_symbol();

// A size that is that of `symbol` or 1: the images of a decoder, of which each of its rows reads one or all
// read the same.
core::Dim one_or(const core::Dim& symbol);

// One size where a value comes from either of two places: the same, or a new symbol.
core::Dim either_dim(const core::Dim& a, const core::Dim& b);

// Sets dtype and shape of the outputs, new symbols for sizes that are not known; true when all of them have
// both. What is said of a size holds wherever the node can run at all: a size that is broadcast against a
// number other than 1 is that number.
bool infer_open(graph::Graph& graph, const graph::Node& node);

}  // namespace vulcap::passes
