// Rewrites one node from the semantics of its opset to those of the newest one.
#pragma once

#include <cstdint>
#include <functional>

#include "loader/onnx/model.h"
#include "runtime/graph/graph.h"

namespace vulcap::onnx {

// `node` has its attributes and inputs set; `opset` is that of its domain. `constant` adds a constant to the
// graph and returns its value.
void modernise(graph::Node& node, int64_t opset, const std::function<graph::ValueId(core::Tensor)>& constant);

}  // namespace vulcap::onnx
