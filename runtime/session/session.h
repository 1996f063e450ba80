// One graph on one device, for any inputs: a program is made for each set of input shapes and kept.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/passes/pass.h"
#include "runtime/session/program.h"

namespace vulcap::session {

using NamedTensors = std::map<std::string, core::Tensor>;

class Session {
 public:
  Session(Device& device, graph::Graph graph, passes::PassOptions options = {});

  const graph::Graph& graph() const { return graph_; }
  // Every input by name; returns every output. Throws Error(kInvalidModel) when inputs do not fit the graph,
  // Error(kRuntime) when a run fails.
  NamedTensors run(const NamedTensors& inputs);
  // The program for these inputs with the inputs written, not yet run. Valid until the session ends.
  Program& prepare(const NamedTensors& inputs);

 private:
  bool chooses_branch(graph::ValueId input) const;

  Device& device_;
  graph::Graph graph_;
  passes::PassOptions options_;
  std::map<std::string, std::unique_ptr<Program>> programs_;
};

}  // namespace vulcap::session
