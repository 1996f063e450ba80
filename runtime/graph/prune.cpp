#include "runtime/graph/prune.h"

namespace vulcap::graph {

void drop_unread_inputs(Graph& graph) {
  const Uses uses(graph);
  std::erase_if(graph.inputs, [&](ValueId in) {
    return uses.consumers[size_t(in)].empty() && uses.output_uses[size_t(in)] == 0;
  });
}

}  // namespace vulcap::graph
