#include "loader/conversion/diff.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/cli/console.h"
#include "apps/cli/progress.h"
#include "apps/commands.h"
#include "loader/model_dir.h"
#include "loader/onnx/import.h"
#include "loader/seeded_inputs.h"
#include "loader/tensor_files.h"
#include "loader/verify/tolerance.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;
using conversion::AnswersDiff;
using conversion::StructureDiff;
using Json = nlohmann::ordered_json;

struct Options {
  DeviceOptions device;
  std::string a, b;
  std::vector<std::string> inputs, dims;
  uint64_t seed = 0;
  double tolerance = 0;  // 0: as the numbers of the graphs ask for
  std::string format = "text";
  size_t lines = 10;
  bool structure_only = false;
};

struct Comparison {
  std::string a, b;  // paths
  StructureDiff structure;
  std::optional<AnswersDiff> answers;
  double tolerance = 0;
  std::string inputs;

  bool same() const { return answers ? answers->agree() : structure.same(); }
};

void compare_answers(const onnx::ModelDef& a, const onnx::ModelDef& b, const Options& options,
                     session::Device& device, Comparison& comparison) {
  const graph::Graph graph_a = onnx::import_graph(a, comparison.a),
                     graph_b = onnx::import_graph(b, comparison.b);
  const auto sizes = loader::with_usual_sizes(graph_a, parse_dims(options.dims), comparison.a);
  const session::NamedTensors inputs =
      loader::draw_inputs(graph_a, sizes, options.seed, loader::read_inputs(graph_a, options.inputs));
  comparison.inputs = loader::inputs_text(inputs);
  comparison.tolerance = options.tolerance > 0
                             ? options.tolerance
                             : std::max(loader::tolerance(graph_a), loader::tolerance(graph_b));
  comparison.answers =
      conversion::compare_answers(graph_a, graph_b, inputs, device, {comparison.tolerance, true});
}

Comparison compare(const fs::path& a, const fs::path& b, const Options& options, session::Device* device) {
  Comparison comparison{a.string(), b.string(), {}, std::nullopt, 0, {}};
  const onnx::ModelDef model_a = onnx::read_model(a), model_b = onnx::read_model(b);
  comparison.structure = conversion::compare_structure(model_a, model_b);
  if (device != nullptr) compare_answers(model_a, model_b, options, *device, comparison);
  return comparison;
}

// ---- as text ----

void print_list(const std::string& title, const std::vector<std::string>& lines, size_t most) {
  if (lines.empty()) return;
  std::printf("  %s: %zu\n", title.c_str(), lines.size());
  for (size_t i = 0; i < std::min(most, lines.size()); ++i)
    std::printf("    %s\n", printable(lines[i]).c_str());
  if (lines.size() > most) std::printf("    ... (--lines %zu shows all)\n", lines.size());
}

std::string numbers_text(const loader::TensorDifference& difference) {
  if (!difference.mismatch.empty()) return difference.mismatch;
  char text[96];
  std::snprintf(text, sizeof text, "max abs %.3g, %.3g of the range, rms %.3g", difference.max_abs,
                difference.max_rel, difference.rms);
  return text;
}

void print(const StructureDiff& diff, size_t most) {
  if (diff.same()) return void(std::printf("  same structure and weights\n"));
  std::printf("  nodes %d -> %d, initialisers %d -> %d, weights %s -> %s\n", diff.nodes.a, diff.nodes.b,
              diff.initializers.a, diff.initializers.b,
              amount_text(double(diff.weight_bytes.a), "bytes").c_str(),
              amount_text(double(diff.weight_bytes.b), "bytes").c_str());
  std::string operators;
  for (const auto& [name, count] : diff.operators) {
    if (count.same()) continue;
    operators += (operators.empty() ? "" : ", ") + name + " " + std::to_string(count.a) + " -> " +
                 std::to_string(count.b);
  }
  if (!operators.empty()) std::printf("  operators: %s\n", printable(operators).c_str());
  print_list("inputs, outputs and opsets that differ", diff.interface, most);
  std::vector<std::string> changed;
  for (const conversion::WeightChange& change : diff.weights_changed)
    changed.push_back(change.name + ": " + numbers_text(change.difference));
  std::printf("  weights that are equal: %zu\n", diff.weights_equal);
  print_list("weights that differ", changed, most);
  print_list("weights only in A", diff.weights_only_a, most);
  print_list("weights only in B", diff.weights_only_b, most);
  print_list("nodes that differ", diff.nodes_changed, most);
  print_list("nodes only in A", diff.nodes_only_a, most);
  print_list("nodes only in B", diff.nodes_only_b, most);
}

void print(const AnswersDiff& diff, const Comparison& comparison, const std::string& device) {
  std::printf("  answers on %s to %s, within %.3g of the range:\n", device.c_str(), comparison.inputs.c_str(),
              comparison.tolerance);
  if (!diff.problem.empty()) std::printf("    cannot be compared: %s\n", printable(diff.problem).c_str());
  for (const conversion::OutputDiff& output : diff.outputs)
    std::printf("    %-32s %s: %s\n", printable(output.name).c_str(), output.agrees ? "agrees" : "DIFFERS",
                numbers_text(output.difference).c_str());
  if (diff.first) {
    std::printf("    first diverging node: %s in A, %s in B: value %s, %s\n",
                printable(diff.first->node_a).c_str(), printable(diff.first->node_b).c_str(),
                printable(diff.first->value).c_str(), numbers_text(diff.first->difference).c_str());
  } else if (!diff.agree() && diff.problem.empty()) {
    std::printf("    first diverging node: none of the %zu values that both name alike\n",
                diff.values_compared);
  }
}

// ---- as JSON ----

Json json_of(const loader::TensorDifference& difference) {
  return {{"mismatch", difference.mismatch},
          {"max_abs", difference.max_abs},
          {"max_rel", difference.max_rel},
          {"rms", difference.rms}};
}

template <typename T>
Json json_of(const conversion::Pair<T>& pair) {
  return {{"a", pair.a}, {"b", pair.b}};
}

Json json_of(const StructureDiff& diff) {
  Json operators = Json::object(), weights = Json::object();
  for (const auto& [name, count] : diff.operators) operators[name] = json_of(count);
  for (const conversion::WeightChange& change : diff.weights_changed)
    weights[change.name] = json_of(change.difference);
  return {{"same", diff.same()},
          {"nodes", json_of(diff.nodes)},
          {"initializers", json_of(diff.initializers)},
          {"weight_bytes", json_of(diff.weight_bytes)},
          {"operators", operators},
          {"interface", diff.interface},
          {"weights_equal", diff.weights_equal},
          {"weights_changed", weights},
          {"weights_only_a", diff.weights_only_a},
          {"weights_only_b", diff.weights_only_b},
          {"nodes_changed", diff.nodes_changed},
          {"nodes_only_a", diff.nodes_only_a},
          {"nodes_only_b", diff.nodes_only_b}};
}

Json json_of(const AnswersDiff& diff, const Comparison& comparison, const std::string& device) {
  Json outputs = Json::object();
  for (const conversion::OutputDiff& output : diff.outputs) {
    outputs[output.name] = json_of(output.difference);
    outputs[output.name]["agrees"] = output.agrees;
  }
  Json json = {{"agree", diff.agree()},       {"device", device},
               {"inputs", comparison.inputs}, {"tolerance", comparison.tolerance},
               {"problem", diff.problem},     {"outputs", outputs},
               {"first_divergence", nullptr}};
  if (diff.first) {
    json["first_divergence"] = json_of(diff.first->difference);
    json["first_divergence"]["value"] = diff.first->value;
    json["first_divergence"]["node"] = {{"a", diff.first->node_a}, {"b", diff.first->node_b}};
  }
  return json;
}

// ---- files and folders ----

struct Files {
  std::vector<std::pair<fs::path, fs::path>> both;
  std::vector<std::string> only;  // lines
};

Files files_of(const Options& options) {
  const bool folder = fs::is_directory(options.a);
  if (folder != fs::is_directory(options.b))
    throw core::Error(core::ErrorCode::kUsage, "give two files or two folders, not one of each");
  if (!folder) return {{{options.a, options.b}}, {}};
  Files files;
  const auto names = [](const std::string& dir) {
    std::set<fs::path> found;
    for (const loader::OnnxFile& file : loader::list_onnx_files(dir))
      found.insert(file.path.lexically_relative(dir));
    return found;
  };
  const auto a = names(options.a), b = names(options.b);
  for (const fs::path& name : a) {
    if (b.count(name)) files.both.emplace_back(options.a / name, options.b / name);
    if (!b.count(name)) files.only.push_back(name.string() + ": only in A");
  }
  for (const fs::path& name : b)
    if (!a.count(name)) files.only.push_back(name.string() + ": only in B");
  if (files.both.empty())
    throw core::Error(core::ErrorCode::kInvalidModel,
                      options.a + " and " + options.b + ": no .onnx file of the same name in both");
  return files;
}

int run(const Options& options) {
  const Files files = files_of(options);
  std::optional<session::OpenedDevice> opened;
  if (!options.structure_only) opened = options.device.open();
  const bool text = options.format == "text";
  Json report = {{"same", files.only.empty()}, {"files", Json::array()}, {"only", files.only}};
  bool same = files.only.empty();
  for (const auto& [a, b] : files.both) {
    const Comparison item = compare(a, b, options, opened ? opened->device.get() : nullptr);
    same = same && item.same();
    if (text) {
      std::printf("A %s\nB %s\n", item.a.c_str(), item.b.c_str());
      print(item.structure, options.lines);
      if (item.answers) print(*item.answers, item, opened->name);
      std::fflush(stdout);
    } else {
      Json json = {{"a", item.a}, {"b", item.b}, {"structure", json_of(item.structure)}};
      if (item.answers) json["answers"] = json_of(*item.answers, item, opened->name);
      report["files"].push_back(std::move(json));
    }
  }
  if (text) {
    for (const std::string& line : files.only) std::printf("%s\n", line.c_str());
  } else {
    report["same"] = same;
    std::printf("%s\n", report.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  }
  return same ? 0 : int(core::ErrorCode::kMismatch);
}

}  // namespace

Command add_diff(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "diff",
      "Compare two models: structure, weights, and their answers down to the first node that diverges. Exit "
      "code 6 when answers differ, with --structure-only when anything does");
  command->add_option("a", options->a, "MODEL.onnx, or a model folder")->required();
  command->add_option("b", options->b, "The other one: of folders, files of the same name are compared")
      ->required();
  command->add_flag("--structure-only", options->structure_only, "Run nothing");
  command
      ->add_option(
          "--inputs", options->inputs,
          "NAME=FILE (.npy or .pb), or a folder with NAME.npy, NAME.pb or input_K.pb; the rest is drawn")
      ->allow_extra_args(true);
  command->add_option("--seed", options->seed, "Of drawn inputs")->capture_default_str();
  command
      ->add_option("--dim", options->dims,
                   "Size of a symbolic dim of drawn inputs, NAME=SIZE; see check --help")
      ->allow_extra_args(false);
  command
      ->add_option(
          "--tolerance", options->tolerance,
          "Share of an output's range that it may differ by. Default: what verify allows, by the numbers "
          "that the graphs compute with")
      ->check(CLI::PositiveNumber);
  command->add_option("--lines", options->lines, "Of each list that are shown")->capture_default_str();
  command->add_option("--format", options->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  options->device.add_to(*command);
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
