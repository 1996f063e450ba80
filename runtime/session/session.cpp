#include "runtime/session/session.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/graph/prune.h"
#include "runtime/passes/sequences.h"
#include "runtime/session/control_flow.h"

namespace vulcap::session {
namespace {

using core::Error;
using core::ErrorCode;
using core::Tensor;

// Stages for so many different shapes and values are kept; then all are dropped.
constexpr size_t kMaxStages = 64;
// Values up to this size are part of the key under which the program made for them is kept.
constexpr size_t kMaxKeyBytes = 4096;

bool is_graph_input(const graph::Graph& graph, graph::ValueId value) {
  return std::find(graph.inputs.begin(), graph.inputs.end(), value) != graph.inputs.end();
}

// The graph inputs that the outputs of a stage only repeat; empty when one is computed.
std::vector<std::string> repeated_inputs(const graph::Graph& graph) {
  const graph::Uses uses(graph);
  std::vector<std::string> names;
  for (graph::ValueId out : graph.outputs) {
    const graph::Node& node = graph.nodes.at(size_t(uses.producer[size_t(out)]));
    if (!node.is("Identity") || !is_graph_input(graph, node.inputs[0])) return {};
    names.push_back(graph.value(node.inputs[0]).name);
  }
  return names;
}

}  // namespace

Session::Session(Device& device, graph::Graph graph, passes::PassOptions options)
    : device_(device), graph_(std::move(graph)), options_(std::move(options)) {}

std::map<std::string, passes::InputSpec> Session::specs_of(const NamedTensors& inputs, std::string& key) {
  std::map<std::string, passes::InputSpec> specs;
  const auto add = [&](const std::string& name, core::DType dtype, const Tensor& tensor) {
    if (tensor.dtype() != dtype) {
      throw Error(ErrorCode::kInvalidModel, "input '" + name + "' must be " +
                                                std::string(core::dtype_name(dtype)) + ", not " +
                                                std::string(core::dtype_name(tensor.dtype())));
    }
    specs[name].shape = core::SymShape(tensor.shape().begin(), tensor.shape().end());
    key += core::shape_text(tensor.shape());
  };
  for (graph::ValueId input : graph_.inputs) {
    graph::Value& value = graph_.value(input);
    if (value.is_sequence) {
      for (size_t i = 0; inputs.count(passes::element_name(value.name, i)); ++i) {
        const std::string name = passes::element_name(value.name, i);
        add(name, value.dtype, inputs.at(name));
      }
      key += ";";
      continue;
    }
    const auto given = inputs.find(value.name);
    if (given == inputs.end()) throw Error(ErrorCode::kInvalidModel, "input '" + value.name + "' is missing");
    // Bodies of loops need not declare their inputs: the first values given decide.
    if (value.dtype == core::DType::kUndefined) value.dtype = given->second.dtype();
    add(value.name, value.dtype, given->second);
  }
  return specs;
}

Session::Stage Session::make_stage(const std::map<std::string, passes::InputSpec>& specs,
                                   const passes::KnownValues& known) {
  passes::Stage made = passes::specialise_in_stages(graph_, specs, known);
  Stage stage;
  stage.complete = made.complete;
  stage.control = made.control;
  stage.operands = made.operands;
  if (!made.complete) {
    graph::drop_unread_inputs(made.graph);
    stage.needed = repeated_inputs(made.graph);
    if (!stage.needed.empty() || made.graph.outputs.empty()) return stage;
    for (graph::ValueId out : made.graph.outputs) stage.needed.push_back(made.graph.value(out).name);
  }
  passes::run_passes(made.graph, options_);
  stage.program =
      std::make_unique<Program>(device_, plan::make_plan(std::move(made.graph), device_.backend()));
  return stage;
}

void Session::forget_programs() {
  stages_.clear();
  bodies_.clear();
  device_.drop_unused_weights();
}

Program& Session::prepare(const NamedTensors& inputs) {
  std::string key;
  const auto specs = specs_of(inputs, key);
  if (stages_.size() >= kMaxStages) forget_programs();
  used_.clear();
  NamedTensors given = inputs;
  passes::KnownValues known;
  for (;;) {
    auto found = stages_.find(key);
    if (found == stages_.end()) found = stages_.emplace(key, make_stage(specs, known)).first;
    Stage& stage = found->second;
    used_.push_back(&stage);
    if (stage.program) {
      for (const plan::External& slot : stage.program->plan().externals) {
        if (slot.is_input) stage.program->write(slot.name, given.at(slot.name).bytes());
      }
    }
    if (stage.complete) return *stage.program;
    answer(stage, given, known, key);
  }
}

void Session::answer(Stage& stage, NamedTensors& inputs, passes::KnownValues& known, std::string& key) {
  if (stage.program) stage.program->run();
  std::vector<Tensor> values;
  for (const std::string& name : stage.needed)
    values.push_back(stage.program ? stage.program->read(name) : inputs.at(name));
  if (stage.control == nullptr) {
    key += "|" + key_of(values.at(0));
    known.push_back({passes::KnownValue{false, {values[0]}}});
    return;
  }
  known.push_back(run_control(stage, std::move(values)));
  for (size_t i = 0; i < known.back().size(); ++i) {
    const passes::KnownValue& output = known.back()[i];
    const std::string name = passes::known_input(known.size() - 1, i);
    key += output.is_sequence ? "|sequence" : "|";
    for (size_t k = 0; k < output.tensors.size(); ++k) {
      inputs[output.is_sequence ? passes::element_name(name, k) : name] = output.tensors[k];
      key += core::shape_text(output.tensors[k].shape());
    }
  }
}

std::string Session::key_of(const Tensor& value) {
  const auto bytes = value.bytes();
  std::string key = core::shape_text(value.shape()) + "=";
  if (bytes.size() > kMaxKeyBytes) return key + "unique " + std::to_string(unique_keys_++);
  return key.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::vector<passes::KnownValue> Session::run_control(const Stage& stage, std::vector<Tensor> values) {
  const graph::Node& node = *stage.control;
  std::vector<passes::KnownValue> operands;
  auto next = values.begin();
  for (const passes::Stage::Operand& operand : stage.operands) {
    operands.push_back({operand.is_sequence, {next, next + int64_t(operand.values)}});
    next += int64_t(operand.values);
  }
  try {
    const graph::Attribute* attribute = node.attributes.find("body");
    const auto* body = attribute ? std::get_if<std::shared_ptr<const graph::Graph>>(attribute) : nullptr;
    if (body == nullptr) throw Error(ErrorCode::kInvalidModel, "the body is missing");
    auto& session = bodies_[body->get()];
    if (!session) session = std::make_unique<Session>(device_, closed_body(**body, operands), options_);
    const Body runnable{*session, (*body)->inputs.size()};
    return node.op == "Loop" ? run_loop(runnable, node, operands) : run_scan(runnable, node, operands);
  } catch (Error& error) {
    error.add_context("node '" + node.name + "' (" + node.op + ")");
    throw;
  }
}

NamedTensors Session::run(const NamedTensors& inputs) {
  Program& program = prepare(inputs);
  program.run();
  NamedTensors outputs;
  for (const plan::External& slot : program.plan().externals) {
    if (slot.is_output) outputs[slot.name] = program.read(slot.name);
  }
  return outputs;
}

std::vector<const plan::Plan*> Session::plans() const {
  std::vector<const plan::Plan*> plans;
  for (const Stage* stage : used_) {
    if (stage->program) plans.push_back(&stage->program->plan());
  }
  for (const auto& [graph, body] : bodies_) {
    for (const plan::Plan* plan : body->plans()) plans.push_back(plan);
  }
  return plans;
}

}  // namespace vulcap::session
