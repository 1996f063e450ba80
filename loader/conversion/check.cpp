#include "loader/conversion/check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "loader/expected_inputs.h"
#include "loader/families/model_folder.h"
#include "loader/onnx/import.h"
#include "loader/onnx/value_text.h"
#include "loader/onnx/wire.h"
#include "runtime/core/error.h"
#include "runtime/passes/specialise.h"
#include "runtime/plan/plan.h"
#include "runtime/session/session.h"

namespace vulcap::conversion {
namespace {

namespace fs = std::filesystem;
using core::Error;

// Inputs that choose between branches: one boolean.
bool is_switch(const graph::Value& value) {
  return value.dtype == core::DType::kBool && value.shape && product(*value.shape) == core::Dim(1);
}

bool has_errors(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.is_error; });
}

std::string without_path(const Error& error, const fs::path& path) {
  const std::string start = path.string() + ": ";
  return error.message().starts_with(start) ? error.message().substr(start.size()) : error.message();
}

class Planner {
 public:
  Planner(const graph::Graph& graph, session::Device& device, const PlanOptions& options,
          const fs::path& model)
      : graph_(graph),
        device_(device),
        run_(options.run),
        sizes_(loader::with_usual_sizes(graph, options.sizes, model)),
        expected_(loader::expected_inputs(graph, model)) {}

  // With every switch in position `on`; `compare`: what comes out is held against what is declared.
  PlannedRun plan(bool on, const onnx::ModelDef* compare, std::vector<Finding>& findings) {
    PlannedRun run;
    try {
      run = plan_for(drawn(on), compare, findings);
    } catch (const Error& error) {
      run.problem = error.message();
    }
    // Drawn inputs may contradict each other, as a picture and the size that is stated of it.
    for (const session::NamedTensors& inputs : expected_) {
      if (run.problem.empty()) break;
      if (switches_are(on, inputs)) run = plan_for(inputs, nullptr, findings);
    }
    return run;
  }

 private:
  PlannedRun plan_for(const session::NamedTensors& inputs, const onnx::ModelDef* compare,
                      std::vector<Finding>& findings) {
    PlannedRun run;
    run.inputs = loader::inputs_text(inputs);
    try {
      passes::Stage stage = passes::specialise_in_stages(graph_, specs_of(inputs), {});
      if (stage.complete && compare != nullptr) hold_against(stage.graph, *compare, findings);
      if (stage.complete && !run_) {
        passes::run_passes(stage.graph);
        const plan::Plan plan = plan::make_plan(std::move(stage.graph), device_.backend());
        describe({&plan}, run);
      } else {
        run_it(inputs, run);
      }
    } catch (const Error& error) {
      run.problem = error.message();
    }
    return run;
  }

  bool switches_are(bool on, const session::NamedTensors& inputs) const {
    return std::all_of(graph_.inputs.begin(), graph_.inputs.end(), [&](graph::ValueId id) {
      const graph::Value& value = graph_.value(id);
      return !is_switch(value) || (inputs.at(value.name).at_i64(0) != 0) == on;
    });
  }

  session::NamedTensors drawn(bool on) const {
    session::NamedTensors inputs;
    for (const graph::ValueId id : graph_.inputs) {
      const graph::Value& value = graph_.value(id);
      if (!is_switch(value)) continue;
      core::Tensor position(core::DType::kBool, core::Shape(value.shape->size(), 1));
      position.mutable_bytes()[0] = std::byte(on);
      inputs[value.name] = std::move(position);
    }
    return loader::draw_inputs(graph_, sizes_, 0, std::move(inputs));
  }

  std::map<std::string, passes::InputSpec> specs_of(const session::NamedTensors& inputs) const {
    std::map<std::string, passes::InputSpec> specs;
    for (const graph::ValueId id : graph_.inputs) {
      const graph::Value& value = graph_.value(id);
      if (value.is_sequence) continue;
      const core::Tensor& tensor = inputs.at(value.name);
      passes::InputSpec& spec = specs[value.name];
      spec.shape.assign(tensor.shape().begin(), tensor.shape().end());
      if (is_switch(value)) spec.constant = tensor;
    }
    return specs;
  }

  void run_it(const session::NamedTensors& inputs, PlannedRun& run) {
    session::Session session(device_, graph_);
    session.run(inputs);
    describe(session.plans(), run);
  }

  static void describe(const std::vector<const plan::Plan*>& plans, PlannedRun& run) {
    run.left_to_cpu = loader::count_fallbacks(plans);
    for (const plan::Plan* plan : plans) {
      run.calls += plan->calls.size();
      run.activation_bytes += plan->arena_bytes;
      for (const plan::ConstantSlot& slot : plan->constants)
        run.weight_bytes += core::dtype_bytes(slot.dtype, slot.tensor.size());
    }
  }

  void hold_against(const graph::Graph& made, const onnx::ModelDef& model, std::vector<Finding>& findings) {
    const auto hold = [&](const onnx::ValueInfo& info, graph::ValueId id, bool is_output) {
      if (findings.size() >= kMostFindings || info.is_sequence || !made.value(id).shape) return;
      if (auto finding = disagreement(info, made.value(id), sizes_, is_output)) findings.push_back(*finding);
    };
    for (size_t i = 0; i < std::min(model.graph.outputs.size(), made.outputs.size()); ++i)
      hold(model.graph.outputs[i], made.outputs[i], true);
    // The values of a branch that was taken may have the names of others.
    std::map<std::string_view, size_t> named;
    for (const graph::Value& value : made.values) ++named[value.name];
    for (const onnx::ValueInfo& info : model.graph.value_infos)
      if (named[info.name] == 1) hold(info, made.find_value(info.name), false);
  }

  static std::optional<Finding> disagreement(const onnx::ValueInfo& info, const graph::Value& value,
                                             const loader::SymbolSizes& sizes, bool is_output) {
    const auto differs = [&](bool is_error, const std::string& declared) {
      return Finding{is_error, "value " + onnx::quote(info.name) + " is declared " + declared +
                                   " but comes out " + loader::type_text(value)};
    };
    if (info.dtype != core::DType::kUndefined && info.dtype != value.dtype)
      return differs(is_output, std::string(core::dtype_name(info.dtype)));
    if (!info.has_shape) return std::nullopt;
    bool same = info.shape.size() == value.shape->size();
    for (size_t i = 0; same && i < info.shape.size(); ++i) {
      const core::Dim& size = (*value.shape)[i];
      const auto* number = std::get_if<int64_t>(&info.shape[i]);
      same = number != nullptr ? core::Dim(*number) == size
                               : may_be(std::get<std::string>(info.shape[i]), size, sizes);
    }
    return same ? std::nullopt : std::optional(differs(false, onnx::type_text(info)));
  }

  // False where the symbols of a declared dim have sizes that give another number.
  static bool may_be(const std::string& declared, const core::Dim& size, const loader::SymbolSizes& sizes) {
    try {
      const core::Dim bound = core::Dim::parse(declared).substitute(sizes);
      return !bound.is_constant() || bound == size;
    } catch (const Error&) {
      return true;  // an expression of the exporter's own
    }
  }

  const graph::Graph& graph_;
  session::Device& device_;
  bool run_;
  loader::SymbolSizes sizes_;
  std::vector<session::NamedTensors> expected_;
};

void check_runs(const onnx::ModelDef& model, session::Device& device, const PlanOptions& options,
                FileCheck& check) {
  const graph::Graph graph = onnx::import_graph(model);
  for (const graph::ValueId id : graph.inputs)
    check.inputs.push_back(graph.value(id).name + " " + loader::type_text(graph.value(id)));
  for (const graph::ValueId id : graph.outputs)
    check.outputs.push_back(graph.value(id).name + " " + loader::type_text(graph.value(id)));
  Planner planner(graph, device, options, check.path);
  check.runs.push_back(planner.plan(true, &model, check.findings));
  const bool switched = std::any_of(graph.inputs.begin(), graph.inputs.end(),
                                    [&](graph::ValueId id) { return is_switch(graph.value(id)); });
  if (switched) check.runs.push_back(planner.plan(false, nullptr, check.findings));
}

}  // namespace

bool FileCheck::valid() const { return !has_errors(structure.findings) && !has_errors(findings); }

bool FileCheck::runs_here() const {
  return valid() && not_supported.empty() &&
         std::all_of(runs.begin(), runs.end(), [](const PlannedRun& run) { return run.problem.empty(); });
}

FileCheck check_model(const fs::path& path, session::Device& device, const PlanOptions& options) {
  FileCheck check;
  check.path = path;
  check.structure = check_structure(path);
  try {
    check_runs(onnx::read_model(path), device, options, check);
  } catch (const Error& error) {
    check.not_supported = without_path(error, path);
  }
  return check;
}

bool FolderCheck::valid() const {
  return !has_errors(findings) &&
         std::all_of(tasks.begin(), tasks.end(), [](const Task& task) { return task.problem.empty(); });
}

}  // namespace vulcap::conversion
