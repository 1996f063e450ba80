// A batch normalisation with constant parameters behind a convolution scales its weights.
#pragma once

#include "runtime/graph/graph.h"

namespace vulcap::passes {

// Part of fuse_conv, and all of it that ai.onnx can say. Returns how many are gone.
int fold_batch_norm(graph::Graph& graph);

}  // namespace vulcap::passes
