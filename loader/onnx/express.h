// What only the runtime says, in operators of a model file: the inverse of modernise.h.
#pragma once

#include <cstdint>

#include "runtime/graph/graph.h"

namespace vulcap::onnx {

struct Target {
  int64_t opset = 0;       // of ai.onnx
  bool microsoft = false;  // com.microsoft's operators may be used where ai.onnx has none
  int64_t source = 0;      // opset of the file that the graph was read from
};

// Views, fused activations and normalisations that the target lacks, and what old opsets meant differently,
// are written as nodes that it has; in subgraphs too. Throws core::Error(kInvalidModel) naming a node that
// cannot be said in the target's opset.
void express(graph::Graph& graph, const Target& target);

}  // namespace vulcap::onnx
