#include "runtime/passes/beam_rows.h"

#include "runtime/ops/attention.h"

namespace vulcap::passes {

int add_beam_rows(graph::Graph& graph, int64_t rows, int64_t capacity) {
  graph::Value table;
  table.name = kBeamRows;
  table.dtype = core::DType::kI32;
  table.shape = core::SymShape{core::Dim(rows), core::Dim(capacity)};
  const graph::ValueId id = graph.add_value(std::move(table));
  int count = 0;
  for (graph::Node& node : graph.nodes) {
    if (!node.is(ops::kAttention, "vulcap") || graph.value(node.inputs[1]).capacity == 0) continue;
    node.inputs.resize(5, graph::kNoValue);
    node.inputs[4] = id;
    ++count;
  }
  if (count > 0) graph.inputs.push_back(id);
  return count;
}

}  // namespace vulcap::passes
