#include "loader/conversion/check.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/console.h"
#include "apps/cli/progress.h"
#include "apps/commands.h"
#include "loader/model_dir.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

using conversion::FileCheck;
using conversion::Finding;
using conversion::FolderCheck;
using conversion::PlannedRun;
using Json = nlohmann::ordered_json;

struct Options {
  DeviceOptions device;
  std::string target;
  std::vector<std::string> dims;
  std::string format = "text";
  bool run = false;
};

std::string mb(uint64_t bytes) { return amount_text(double(bytes), "bytes"); }

void print_findings(const std::vector<Finding>& findings) {
  constexpr size_t kShown = 12;
  for (size_t i = 0; i < std::min(kShown, findings.size()); ++i)
    std::printf("  %s: %s\n", findings[i].is_error ? "error" : "warning",
                printable(findings[i].text).c_str());
  if (findings.size() > kShown)
    std::printf("  ... and %zu more, which --format json lists\n", findings.size() - kShown);
}

void print_run(const PlannedRun& run, const std::string& device, bool was_run) {
  if (!run.problem.empty()) {
    std::printf("  does not run with %s: %s\n", run.inputs.c_str(), printable(run.problem).c_str());
    return;
  }
  size_t left = 0;
  for (const auto& [reason, calls] : run.left_to_cpu) left += size_t(calls);
  std::printf("  %s on %s with %s\n", was_run ? "ran" : "runs", device.c_str(), run.inputs.c_str());
  std::printf("    %zu kernel calls, %zu of them on the CPU by fallback; weights %s, activations %s\n",
              run.calls, left, mb(run.weight_bytes).c_str(), mb(run.activation_bytes).c_str());
  for (const auto& [reason, calls] : run.left_to_cpu)
    std::printf("    fallback to cpu: %s (%d calls)\n", reason.c_str(), calls);
}

void print_lines(const char* title, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::printf("  %s %s\n", title, printable(line).c_str());
}

void print(const FileCheck& check, const std::string& device, bool was_run) {
  const conversion::Structure& file = check.structure;
  std::printf("%s: %s\n", check.path.c_str(),
              !check.valid()      ? "not a valid model"
              : check.runs_here() ? "valid, runs"
                                  : "valid, does not run");
  std::printf("  IR %lld, opsets", static_cast<long long>(file.ir_version));
  for (const auto& [domain, version] : file.opsets)
    std::printf(" %s %lld", domain.empty() ? "ai.onnx" : printable(domain).c_str(),
                static_cast<long long>(version));
  std::printf("; %s; %zu nodes, %zu tensors, %.3f M parameters (%s)\n", printable(file.producer).c_str(),
              file.nodes, file.tensors, double(file.parameters) / 1e6, mb(file.tensor_bytes).c_str());
  for (const conversion::ExternalFile& data : file.external)
    std::printf("  external data %s: %s, of which tensors use %s\n", printable(data.location).c_str(),
                mb(data.bytes).c_str(), mb(data.bytes_used).c_str());
  print_lines("input ", check.inputs);
  print_lines("output", check.outputs);
  print_findings(file.findings);
  print_findings(check.findings);
  if (!check.not_supported.empty() && check.valid())
    std::printf("  does not run: %s\n", printable(check.not_supported).c_str());
  for (const PlannedRun& run : check.runs) print_run(run, device, was_run);
}

void print(const FolderCheck& check) {
  std::printf("%s: %s\n", check.path.c_str(),
              check.model_type.empty() ? "a folder" : check.model_type.c_str());
  print_findings(check.findings);
  for (const FolderCheck::Task& task : check.tasks) {
    std::printf("  vulcap %s: %s\n", task.command.c_str(),
                task.problem.empty() ? "can be loaded" : printable(task.problem).c_str());
    print_lines(" ", task.files);
    print_lines("warning:", task.warnings);
  }
}

Json json_of(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings)
    list.push_back({{"severity", finding.is_error ? "error" : "warning"}, {"text", finding.text}});
  return list;
}

Json json_of(const PlannedRun& run) {
  Json fallbacks = Json::object();
  for (const auto& [reason, calls] : run.left_to_cpu) fallbacks[reason] = calls;
  return {{"inputs", run.inputs},
          {"problem", run.problem},
          {"calls", run.calls},
          {"fallbacks", fallbacks},
          {"weight_bytes", run.weight_bytes},
          {"activation_bytes", run.activation_bytes}};
}

Json json_of(const FileCheck& check) {
  const conversion::Structure& file = check.structure;
  Json opsets = Json::object(), external = Json::array(), runs = Json::array();
  for (const auto& [domain, version] : file.opsets) opsets[domain.empty() ? "ai.onnx" : domain] = version;
  for (const conversion::ExternalFile& data : file.external)
    external.push_back({{"location", data.location}, {"bytes", data.bytes}, {"bytes_used", data.bytes_used}});
  for (const PlannedRun& run : check.runs) runs.push_back(json_of(run));
  Json findings = json_of(file.findings);
  for (Json& finding : json_of(check.findings)) findings.push_back(std::move(finding));
  return {{"path", check.path.string()},
          {"valid", check.valid()},
          {"runs", check.runs_here()},
          {"ir_version", file.ir_version},
          {"producer", file.producer},
          {"opsets", opsets},
          {"nodes", file.nodes},
          {"tensors", file.tensors},
          {"parameters", file.parameters},
          {"tensor_bytes", file.tensor_bytes},
          {"external_data", external},
          {"inputs", check.inputs},
          {"outputs", check.outputs},
          {"findings", findings},
          {"not_supported", check.not_supported},
          {"plans", runs}};
}

Json json_of(const FolderCheck& check) {
  Json tasks = Json::array();
  for (const FolderCheck::Task& task : check.tasks)
    tasks.push_back({{"command", task.command},
                     {"problem", task.problem},
                     {"files", task.files},
                     {"warnings", task.warnings}});
  return {{"path", check.path.string()},
          {"model_type", check.model_type},
          {"valid", check.valid()},
          {"tasks", tasks},
          {"findings", json_of(check.findings)}};
}

std::vector<std::filesystem::path> models_of(const std::string& target) {
  if (!std::filesystem::exists(target))
    throw core::Error(core::ErrorCode::kInvalidModel, target + ": file not found");
  if (!std::filesystem::is_directory(target)) return {target};
  std::vector<std::filesystem::path> models;
  for (const loader::OnnxFile& file : loader::list_onnx_files(target)) models.push_back(file.path);
  if (models.empty())
    throw core::Error(core::ErrorCode::kInvalidModel,
                      target + ": no .onnx file in the folder or its onnx subfolder");
  return models;
}

int run(const Options& options) {
  const conversion::PlanOptions plan_options{parse_dims(options.dims), options.run};
  const session::OpenedDevice opened = options.device.open();
  const bool text = options.format == "text";
  Json report = {{"device", opened.name}, {"files", Json::array()}};
  bool good = true;
  for (const std::filesystem::path& model : models_of(options.target)) {
    const FileCheck check = conversion::check_model(model, *opened.device, plan_options);
    good = good && check.runs_here();
    text ? print(check, opened.name, options.run) : report["files"].push_back(json_of(check));
    std::fflush(stdout);
  }
  if (std::filesystem::is_directory(options.target)) {
    const FolderCheck check = conversion::check_folder(options.target, *opened.device);
    good = good && check.valid();
    if (text) {
      print(check);
    } else {
      report["folder"] = json_of(check);
    }
  }
  if (!text) std::printf("%s\n", report.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  return good ? 0 : int(core::ErrorCode::kInvalidModel);
}

}  // namespace

Command add_check(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "check", "Tell whether a model is valid ONNX, and whether, how and on what it would run");
  command->add_option("model", options->target, "MODEL.onnx, or a model folder")->required();
  command
      ->add_option(
          "--dim", options->dims,
          "Size of a symbolic dim, NAME=SIZE; others are small: 1 batch, 3 x 224 x 224 pixels, 4 tokens, "
          "or 1 behind 3 cached ones")
      ->allow_extra_args(false);
  command->add_flag("--run", options->run,
                    "Run it on drawn inputs too; without, weights stay in their files");
  command->add_option("--format", options->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  options->device.add_to(*command);
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
