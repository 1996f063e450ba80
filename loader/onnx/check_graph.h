// Checks the names of a graph and brings its nodes into execution order.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "loader/onnx/model.h"

namespace vulcap::onnx {

// Throws core::Error(kInvalidModel) for a name that is provided twice in one graph, read or returned but
// provided nowhere, or part of a cycle. Subgraphs may read the names of the graphs around them.
void check_graph(GraphDef& graph);

// The same for the body of a function, whose inputs and outputs are bare names.
void check_function(Function& function);

// Throws when a node of the ai.onnx domain, in `nodes` or in their subgraphs, meets `opsets` without a
// version for it.
void check_opsets(const std::vector<NodeDef>& nodes, const std::map<std::string, int64_t>& opsets);

// "node 12 "/mlp/fc" (Gemm)", for messages.
std::string node_text(const NodeDef& node, size_t index);

}  // namespace vulcap::onnx
