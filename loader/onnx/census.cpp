#include "loader/onnx/census.h"

namespace vulcap::onnx {
namespace {

void count(const GraphDef& graph, Census& census) {
  for (const Initializer& item : graph.initializers) {
    ++census.initializers;
    census.parameters += item.tensor.size();
    census.bytes += item.tensor.bytes().size();
  }
  for (const NodeDef& node : graph.nodes) {
    ++census.nodes;
    ++census.operators[(node.domain.empty() ? "" : node.domain + ".") + node.op_type];
    for (const Attribute& attribute : node.attributes) {
      if (const auto* sub = std::get_if<std::shared_ptr<GraphDef>>(&attribute.value)) count(**sub, census);
    }
  }
}

}  // namespace

Census census_of(const GraphDef& graph) {
  Census census;
  count(graph, census);
  return census;
}

}  // namespace vulcap::onnx
