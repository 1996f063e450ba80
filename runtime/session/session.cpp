#include "runtime/session/session.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/passes/specialise.h"

namespace vulcap::session {
namespace {

// Programs for so many different shapes are kept; then all are dropped.
constexpr size_t kMaxPrograms = 64;

}  // namespace

Session::Session(Device& device, graph::Graph graph, passes::PassOptions options)
    : device_(device), graph_(std::move(graph)), options_(std::move(options)) {}

// Conditions of `If` are bound by value, everything else by shape.
bool Session::chooses_branch(graph::ValueId input) const {
  return std::any_of(graph_.nodes.begin(), graph_.nodes.end(),
                     [&](const graph::Node& node) { return node.is("If") && node.inputs[0] == input; });
}

Program& Session::prepare(const NamedTensors& inputs) {
  std::map<std::string, passes::InputSpec> specs;
  std::string key;
  for (graph::ValueId input : graph_.inputs) {
    const std::string& name = graph_.value(input).name;
    const auto given = inputs.find(name);
    if (given == inputs.end())
      throw core::Error(core::ErrorCode::kInvalidModel, "input '" + name + "' is missing");
    const core::Tensor& tensor = given->second;
    if (tensor.dtype() != graph_.value(input).dtype) {
      throw core::Error(core::ErrorCode::kInvalidModel,
                        "input '" + name + "' must be " +
                            std::string(core::dtype_name(graph_.value(input).dtype)) + ", not " +
                            std::string(core::dtype_name(tensor.dtype())));
    }
    passes::InputSpec spec;
    spec.shape = core::SymShape(tensor.shape().begin(), tensor.shape().end());
    key += core::shape_text(tensor.shape());
    if (chooses_branch(input)) {
      spec.constant = tensor;
      key += "=" + std::to_string(tensor.size() > 0 ? tensor.at_i64(0) : 0);
    }
    specs[name] = std::move(spec);
  }
  auto& program = programs_[key];
  if (!program) {
    graph::Graph specialised = passes::specialise(graph_, specs);
    passes::run_passes(specialised, options_);
    program = std::make_unique<Program>(device_, plan::make_plan(std::move(specialised), device_.backend()));
    if (programs_.size() > kMaxPrograms) {
      auto kept = std::move(program);
      programs_.clear();
      programs_[key] = std::move(kept);
    }
  }
  Program& ready = *programs_[key];
  for (const plan::External& slot : ready.plan().externals) {
    if (slot.is_input) ready.write(slot.name, inputs.at(slot.name).bytes());
  }
  return ready;
}

NamedTensors Session::run(const NamedTensors& inputs) {
  Program& program = prepare(inputs);
  program.run();
  NamedTensors outputs;
  for (graph::ValueId out : graph_.outputs)
    outputs[graph_.value(out).name] = program.read(graph_.value(out).name);
  return outputs;
}

}  // namespace vulcap::session
