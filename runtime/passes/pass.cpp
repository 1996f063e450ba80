#include "runtime/passes/pass.h"

#include <algorithm>

namespace vulcap::passes {

const std::vector<Pass>& passes() {
  static const std::vector<Pass> list = {
      {"simplify", simplify},
      {"quantised_weights", quantised_weights},
      {"fuse_activation", fuse_activation},
      {"fuse_layer_norm", fuse_layer_norm},
      {"conv_to_linear", conv_to_linear},
      {"fuse_conv", fuse_conv},
      {"append_in_place", append_in_place},
      {"fuse_attention", fuse_attention},
      {"fuse_linear", fuse_linear},
  };
  return list;
}

void run_passes(graph::Graph& graph, const PassOptions& options) {
  std::vector<Pass> list = passes();
  if (options.half) list.push_back({"half_precision", half_precision});
  for (const Pass& pass : list) {
    const auto& off = options.disabled;
    if (std::find(off.begin(), off.end(), pass.name) != off.end()) continue;
    const int changes = pass.run(graph);
    if (options.observer) options.observer(pass.name, changes, graph);
  }
}

}  // namespace vulcap::passes
