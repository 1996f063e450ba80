// From an ONNX file to the runtime's graph: constants become values, functions are inlined, and operators of
// old opsets are rewritten to the form of their newest version (axes and sizes as operands), so that nothing
// behind this knows opsets.
#pragma once

#include <filesystem>

#include "loader/onnx/model.h"
#include "runtime/graph/graph.h"

namespace vulcap::onnx {

inline constexpr int64_t kOldestOpset = 6;
inline constexpr int64_t kNewestOpset = 27;

// Throws core::Error(kInvalidModel); operators without support are all listed in one message with domain,
// opset, how often they occur and the first node's name.
graph::Graph import_graph(const ModelDef& model);

// The same of a model that was read from `path`; errors begin with it.
graph::Graph import_graph(const ModelDef& model, const std::filesystem::path& path);

// read_model and import_graph; errors begin with the path.
graph::Graph load_graph(const std::filesystem::path& path);

}  // namespace vulcap::onnx
