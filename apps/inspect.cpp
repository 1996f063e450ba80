#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>

#include "apps/commands.h"
#include "apps/symbol_sizes.h"
#include "loader/model_dir.h"
#include "loader/onnx/census.h"
#include "loader/onnx/import.h"
#include "runtime/core/error.h"
#include "runtime/graph/text.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/specialise.h"
#include "runtime/plan/plan.h"

namespace vulcap::apps {
namespace {

struct Options {
  ModelOptions model;
  std::string target;
  bool plan = false;
  bool text = false;
  std::vector<std::string> dims;
  std::vector<std::string> disabled_passes;
  std::string after_pass;
};

std::string shape_of(const onnx::ValueInfo& info) {
  if (!info.has_shape) return "[?]";
  std::string text = "[";
  for (const onnx::Dim& dim : info.shape) {
    const auto* number = std::get_if<int64_t>(&dim);
    text += (text.size() > 1 ? "," : "") +
            (number != nullptr ? std::to_string(*number) : std::get<std::string>(dim));
  }
  return text + "]";
}

void print_values(const char* title, const std::vector<onnx::ValueInfo>& values) {
  std::printf("  %s\n", title);
  for (const onnx::ValueInfo& info : values) {
    std::printf("    %-32s %-5s %s\n", info.name.c_str(), std::string(core::dtype_name(info.dtype)).c_str(),
                shape_of(info).c_str());
  }
}

graph::Graph specialised(const graph::Graph& graph, const Options& options) {
  const auto sizes = symbol_sizes(options.dims);
  std::map<std::string, passes::InputSpec> specs;
  for (graph::ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    passes::InputSpec& spec = specs[value.name];
    if (!value.shape)
      throw core::Error(core::ErrorCode::kInvalidModel, "input '" + value.name + "' declares no shape");
    for (const core::Dim& dim : passes::bind_symbols(*value.shape, sizes))
      spec.shape.push_back(dim.is_constant() ? dim : core::Dim(1));
    if (value.dtype == core::DType::kBool)
      spec.constant = core::Tensor::from<uint8_t>(core::DType::kBool, {1}, {1});
  }
  graph::Graph result = passes::specialise(graph, specs);
  passes::PassOptions pass_options;
  pass_options.disabled = options.disabled_passes;
  if (options.after_pass == "none") std::printf("%s", graph::to_text(result).c_str());
  std::string summary = "  passes: " + std::to_string(result.nodes.size()) + " nodes";
  pass_options.observer = [&](std::string_view name, int, const graph::Graph& after) {
    summary += ", " + std::string(name) + " " + std::to_string(after.nodes.size());
    if (options.after_pass == name) std::printf("%s", graph::to_text(after).c_str());
  };
  passes::run_passes(result, pass_options);
  if (options.plan) std::printf("%s\n", summary.c_str());
  return result;
}

void inspect_file(const std::filesystem::path& path, const Options& options, const plan::Backend& backend) {
  const onnx::ModelDef model = onnx::read_model(path);
  const onnx::Census census = onnx::census_of(model.graph);
  std::printf("%s\n  producer: %s, IR %lld, opsets:", path.c_str(), model.producer.c_str(),
              static_cast<long long>(model.ir_version));
  for (const auto& [domain, version] : model.opsets)
    std::printf(" %s %lld", domain.empty() ? "ai.onnx" : domain.c_str(), static_cast<long long>(version));
  std::printf("\n  parameters: %.3f M (%.1f MB)\n", double(census.parameters) / 1e6,
              double(census.bytes) / 1e6);
  print_values("inputs", model.graph.inputs);
  print_values("outputs", model.graph.outputs);
  std::printf("  operators:");
  for (const auto& [name, number] : census.operators) std::printf(" %s %d", name.c_str(), number);
  std::printf("\n");
  if (!options.plan && !options.text && options.after_pass.empty()) return;
  const graph::Graph graph = specialised(onnx::import_graph(model), options);
  if (options.text) std::printf("%s", graph::to_text(graph).c_str());
  if (options.plan) std::printf("%s", plan::plan_text(plan::make_plan(graph, backend)).c_str());
}

int run(const Options& options) {
  symbol_sizes(options.dims);  // refuse a wrong --dim before anything is printed
  const session::OpenedDevice opened = options.model.open();
  const std::filesystem::path target =
      options.target.empty() ? options.model.model_dir() : std::filesystem::path(options.target);
  if (!std::filesystem::is_directory(target)) {
    inspect_file(target, options, opened.device->backend());
    return 0;
  }
  const auto files = loader::list_onnx_files(target);
  if (files.empty())
    throw core::Error(core::ErrorCode::kInvalidModel,
                      target.string() + ": no .onnx file in the folder or its onnx subfolder");
  for (const loader::OnnxFile& file : files) inspect_file(file.path, options, opened.device->backend());
  return 0;
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names{"none"};
  for (const passes::Pass& pass : passes::passes()) names.emplace_back(pass.name);
  return names;
}

}  // namespace

Command add_inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "inspect", "Show inputs, outputs, operators and parameters of a model; with --plan what would run");
  options->model.add_to(*command);
  command->add_option("target", options->target, "FILE.onnx or a model folder");
  command->add_flag("--plan", options->plan,
                    "Kernel calls with their placement and reasons, and the memory plan");
  command->add_flag("--graph", options->text, "The graph after all passes, as text");
  command
      ->add_option("--after-pass", options->after_pass,
                   "The graph as it stands after one pass, by name; none: before the first")
      ->check(CLI::IsMember(pass_names()));
  command
      ->add_option("--dim", options->dims,
                   "Size of a symbolic dim, NAME=SIZE; others are 1 (height and width 224, num_channels 3)")
      ->allow_extra_args(false);
  command->add_option("--disable-pass", options->disabled_passes, "Leave out a pass by name")
      ->allow_extra_args(false)
      ->check(CLI::IsMember(pass_names()));
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
