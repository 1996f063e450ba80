// The visible list of passes, in the order they run. Each is a name and a set of rules or a whole-graph
// function.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/graph/graph.h"

namespace vulcap::passes {

struct Pass {
  std::string_view name;
  int (*run)(graph::Graph&);  // number of changes
};

const std::vector<Pass>& passes();

struct PassOptions {
  std::vector<std::string> disabled;  // names of passes that are skipped
  bool half = false;                  // run half_precision, the last pass
  // Called after each pass with its name and the number of changes.
  std::function<void(std::string_view, int, const graph::Graph&)> observer;
};

void run_passes(graph::Graph& graph, const PassOptions& options = {});

// One a file of this folder.
int simplify(graph::Graph& graph);
int fuse_activation(graph::Graph& graph);
int fuse_layer_norm(graph::Graph& graph);
int conv_to_linear(graph::Graph& graph);
int fuse_conv(graph::Graph& graph);
int fuse_linear(graph::Graph& graph);
int quantised_weights(graph::Graph& graph);
int append_in_place(graph::Graph& graph);
int fuse_attention(graph::Graph& graph);
// Not in the list: only where half precision is asked for.
int half_precision(graph::Graph& graph);

}  // namespace vulcap::passes
