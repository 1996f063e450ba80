#include "loader/conversion/optimize/optimize.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/cli/progress.h"
#include "apps/commands.h"

namespace vulcap::apps {
namespace {

using conversion::Optimized;
using conversion::OptimizeOptions;
using Json = nlohmann::ordered_json;

struct Options {
  std::string model, out;
  int level = 2;
  int64_t opset = 0;
  bool no_check = false;
  std::vector<std::string> inputs, dims;
  uint64_t seed = 0;
  std::string format = "text";
};

std::string bytes_text(uint64_t bytes) { return amount_text(double(bytes), "bytes"); }

void print_row(const std::string& name, const std::string& before, const std::string& after) {
  std::printf("  %-36s %12s %12s\n", name.c_str(), before.c_str(), after.c_str());
}

int count(const onnx::Census& census, const std::string& name) {
  const auto entry = census.operators.find(name);
  return entry == census.operators.end() ? 0 : entry->second;
}

void print_operators(const Optimized& result) {
  std::set<std::string> names;
  for (const auto* census : {&result.before, &result.after})
    for (const auto& [name, number] : census->operators) names.insert(name);
  for (const std::string& name : names)
    print_row("  " + name, std::to_string(count(result.before, name)),
              std::to_string(count(result.after, name)));
}

void print(const Optimized& result) {
  std::printf("%s -> %s\n", result.model.c_str(), result.out.c_str());
  print_row("", "before", "after");
  print_row("opset", std::to_string(result.opset_before), std::to_string(result.opset_after));
  print_row("initialisers", std::to_string(result.before.initializers),
            std::to_string(result.after.initializers));
  print_row("  their bytes", bytes_text(result.before.bytes), bytes_text(result.after.bytes));
  print_row("files", bytes_text(result.file_bytes_before), bytes_text(result.file_bytes_after));
  print_row("nodes", std::to_string(result.before.nodes), std::to_string(result.after.nodes));
  print_operators(result);
  if (result.prelude)
    std::printf("  %s: %d nodes that run once an image; its %d outputs are inputs of the decoder\n",
                result.prelude->name.c_str(), result.prelude->nodes, result.prelude->outputs);
  if (result.check.runs == 0) {
    std::printf("  outputs: not compared\n");
  } else {
    std::printf("  outputs: equal in %d run%s; largest difference %.2g, %.2g of the output's range\n",
                result.check.runs, result.check.runs == 1 ? "" : "s", result.check.max_abs,
                result.check.max_rel);
  }
}

Json json_of(const onnx::Census& census, int64_t opset, uint64_t file_bytes) {
  return {{"opset", opset},
          {"nodes", census.nodes},
          {"initializers", census.initializers},
          {"initializer_bytes", census.bytes},
          {"file_bytes", file_bytes},
          {"operators", census.operators}};
}

Json json_of(const Optimized& result) {
  Json json = {{"model", result.model.string()},
               {"output", result.out.string()},
               {"before", json_of(result.before, result.opset_before, result.file_bytes_before)},
               {"after", json_of(result.after, result.opset_after, result.file_bytes_after)}};
  if (result.prelude)
    json["prelude"] = {{"name", result.prelude->name.string()},
                       {"nodes", result.prelude->nodes},
                       {"outputs", result.prelude->outputs}};
  json["compared_runs"] = result.check.runs;
  json["largest_difference"] = result.check.max_abs;
  json["largest_share_of_range"] = result.check.max_rel;
  return json;
}

int run(const Options& options) {
  OptimizeOptions to;
  to.level = conversion::OptimizeLevel(options.level);
  to.opset = options.opset;
  to.check = !options.no_check;
  to.inputs = {options.inputs, parse_dims(options.dims), options.seed};
  std::vector<Optimized> results;
  if (std::filesystem::is_directory(options.model)) {
    results = conversion::optimize_folder(options.model, options.out, to);
  } else {
    results.push_back(conversion::optimize_file(options.model, options.out, to));
  }
  Json report = Json::array();
  for (const Optimized& result : results)
    options.format == "text" ? print(result) : report.push_back(json_of(result));
  if (options.format == "json")
    std::printf("%s\n", report.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace

Command add_optimize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("optimize", "Write a model with folded constants, merged nodes and fused operators");
  command->add_option("model", options->model, "FILE.onnx or a model folder")->required();
  command
      ->add_option(
          "-o,--output", options->out,
          "The .onnx file to write, or the new folder; large weights go to OUT.onnx.data if the model "
          "keeps them outside")
      ->required();
  command
      ->add_option(
          "--level", options->level,
          "0: write anew; 1: fold constants and sizes, merge what is equal, drop what nobody reads; 2: "
          "fuse what ai.onnx has an operator for; 3: also what com.microsoft has one for, and put what "
          "a decoder computes once an image into OUT_prelude.onnx")
      ->check(CLI::Range(0, 3))
      ->capture_default_str();
  command->add_option("--opset", options->opset,
                      "Of ai.onnx, 18 to 25; the model's if that is newer, else 18 for level 1 and 20 above");
  command->add_flag("--no-check", options->no_check,
                    "Do not run both models on the CPU to compare their outputs");
  command
      ->add_option("--inputs", options->inputs,
                   "To compare on: NAME=FILE (.npy or .pb), or a folder with NAME.npy, NAME.pb or input_K.pb")
      ->allow_extra_args(true);
  command->add_option("--seed", options->seed, "Draws the inputs that are not given")->capture_default_str();
  command->add_option("--dim", options->dims, "Size of a symbolic dim of drawn inputs, NAME=SIZE")
      ->allow_extra_args(false);
  command->add_option("--format", options->format, "text or json, of what changed")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
