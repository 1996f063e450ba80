// One graph on one device, for any inputs: a program is made for each set of input shapes and kept. Where
// sizes, conditions or loops depend on data, the graph runs in stages: what decides is computed first, and
// the rest is made for what came out.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/specialise.h"
#include "runtime/session/program.h"

namespace vulcap::session {

// By name; the elements of a sequence "x" are "x[0]", "x[1]", ...
using NamedTensors = std::map<std::string, core::Tensor>;

class Session {
 public:
  Session(Device& device, graph::Graph graph, passes::PassOptions options = {});

  const graph::Graph& graph() const { return graph_; }
  // Every input by name; returns every output. Throws Error(kInvalidModel) when inputs do not fit the graph,
  // Error(kRuntime) when a run fails.
  NamedTensors run(const NamedTensors& inputs);
  // The program for these inputs with the inputs written, not yet run; what it depends on has run. Valid
  // until the next call.
  Program& prepare(const NamedTensors& inputs);
  // Plans of the stages and loop bodies that the last run or prepare used, for reports.
  std::vector<const plan::Plan*> plans() const;

 private:
  struct Stage {
    std::unique_ptr<Program> program;  // null: nothing is computed
    bool complete = true;
    std::vector<std::string> needed;  // inputs, or outputs of the program
    const graph::Node* control = nullptr;
    std::vector<passes::Stage::Operand> operands;
  };

  std::map<std::string, passes::InputSpec> specs_of(const NamedTensors& inputs, std::string& key);
  Stage make_stage(const std::map<std::string, passes::InputSpec>& specs, const passes::KnownValues& known);
  // Answers what `stage` asks: adds the answer to `known`, to `inputs` where programs read it, and to the
  // key.
  void answer(Stage& stage, NamedTensors& inputs, passes::KnownValues& known, std::string& key);
  std::vector<passes::KnownValue> run_control(const Stage& stage, std::vector<core::Tensor> values);
  std::string key_of(const core::Tensor& value);
  void forget_programs();

  Device& device_;
  graph::Graph graph_;
  passes::PassOptions options_;
  std::map<std::string, Stage> stages_;
  std::vector<const Stage*> used_;
  std::map<const graph::Graph*, std::unique_ptr<Session>> bodies_;
  uint64_t unique_keys_ = 0;
};

}  // namespace vulcap::session
