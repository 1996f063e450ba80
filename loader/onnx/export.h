// From the runtime's graph back to a model file: the inverse of import.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loader/onnx/editable_model.h"
#include "loader/onnx/express.h"
#include "runtime/graph/graph.h"

namespace vulcap::onnx {

// Reductions take their axes, and all lists of sizes come, as operands from here on.
inline constexpr int64_t kOldestWrittenOpset = 18;

// Puts `graph` in the place of the model's. Its inputs, and its outputs under `outputs` (one name each), have
// the types and shapes that the model declares for those names, symbols included; what it does not declare is
// declared from the graph. Nodes that keep their name keep the exporter's metadata. Functions go: the graph
// has none. Throws core::Error(kInvalidModel) for what cannot be written: see express(), and tensors of
// strings.
void export_graph(graph::Graph graph, const std::vector<std::string>& outputs, const Target& target,
                  EditableModel& model);

}  // namespace vulcap::onnx
