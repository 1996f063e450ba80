#include "loader/families/lazy_graph.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/graph/prune.h"

namespace vulcap::loader {
namespace {

using core::DType;

void keep_outputs(graph::Graph& graph, const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::erase_if(graph.outputs, [&](graph::ValueId out) {
    return std::find(names.begin(), names.end(), graph.value(out).name) == names.end();
  });
  graph::remove_dead_nodes(graph);
  graph::drop_unread_inputs(graph);
}

core::Tensor as_declared(const core::Tensor& tensor, DType dtype) {
  if (tensor.dtype() == DType::kF32 && dtype == DType::kF16) return core::to_half(tensor);
  if (tensor.dtype() != DType::kI64 || dtype == DType::kI64) return tensor;
  const auto values = tensor.as<int64_t>();
  if (dtype == DType::kI32) {
    return core::Tensor::from(dtype, tensor.shape(), std::vector<int32_t>(values.begin(), values.end()));
  }
  if (dtype == DType::kF32) {  // masks
    return core::Tensor::from(dtype, tensor.shape(), std::vector<float>(values.begin(), values.end()));
  }
  return tensor;
}

}  // namespace

LazyGraph::LazyGraph(OnnxFile file, std::string role, session::Device& device, const LoadOptions& options,
                     std::vector<std::string> outputs)
    : file_(std::move(file)),
      role_(std::move(role)),
      device_(device),
      options_(options),
      outputs_(std::move(outputs)) {}

const graph::Graph& LazyGraph::graph() {
  if (!session_) {
    graph::Graph graph = load_graph(file_, options_);
    keep_outputs(graph, outputs_);
    session_ = std::make_unique<session::Session>(device_, std::move(graph), passes_for(file_, options_));
  }
  return session_->graph();
}

const graph::Value* LazyGraph::input(const std::string& name) {
  for (const graph::ValueId id : graph().inputs) {
    if (graph().value(id).name == name) return &graph().value(id);
  }
  return nullptr;
}

session::NamedTensors LazyGraph::run(const session::NamedTensors& inputs) {
  session::NamedTensors feeds;
  for (const graph::ValueId id : graph().inputs) {
    const graph::Value& value = graph().value(id);
    const auto given = inputs.find(value.name);
    if (given == inputs.end()) {
      throw core::Error(
          core::ErrorCode::kInvalidModel,
          file_.path.string() + ": takes the input '" + value.name + "', which is not known for this family");
    }
    feeds.emplace(value.name, as_declared(given->second, value.dtype));
  }
  return session_->run(feeds);
}

Fallbacks LazyGraph::fallbacks() const { return session_ ? count_fallbacks(session_->plans()) : Fallbacks{}; }

std::vector<std::string> descriptions_of(const LazyGraphs& graphs) {
  std::vector<std::string> lines;
  for (const auto* graph : graphs) {
    if (*graph) lines.push_back((*graph)->description());
  }
  return lines;
}

Fallbacks fallbacks_of(const LazyGraphs& graphs) {
  Fallbacks all;
  for (const auto* graph : graphs) {
    const Fallbacks some = *graph ? (*graph)->fallbacks() : Fallbacks{};
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace vulcap::loader
