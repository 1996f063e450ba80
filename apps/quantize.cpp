#include "loader/conversion/quantization/quantize.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>

#include "apps/cli/log.h"
#include "apps/cli/progress.h"
#include "apps/commands.h"
#include "apps/quantization_trials.h"
#include "loader/model_dir.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;
using quantization::FileResult;

struct Options {
  std::string model, out, to;
  std::vector<std::string> modules;
  bool symmetric = false, asymmetric = false;
  quantization::Options options;
  QuantizationTrials trials;
};

quantization::FolderOptions folder_options(const Options& given) {
  quantization::FolderOptions folder;
  folder.options = given.options;
  if (!given.to.empty()) folder.to = quantization::parse_format(given.to);
  for (const std::string& text : given.modules) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw core::Error(core::ErrorCode::kUsage, "--module " + text + ": write MODULE=FORMAT, decoder=q4");
    folder.modules.push_back({text.substr(0, equals), quantization::parse_format(text.substr(equals + 1))});
  }
  if (given.trials.searches()) {
    if (folder.to || !folder.modules.empty())
      throw core::Error(core::ErrorCode::kUsage,
                        "--auto chooses the formats itself: leave out --to and --module");
    folder.modules = given.trials.search(given.model, given.options);
  }
  if (!folder.to && folder.modules.empty())
    throw core::Error(core::ErrorCode::kUsage, "--to or --module is required: what is the model to become?");
  return folder;
}

FileResult quantize_one(const Options& given, const quantization::FolderOptions& folder) {
  if (!folder.modules.empty())
    throw core::Error(core::ErrorCode::kUsage,
                      "--module is for a model folder; " + given.model + " is one file, give --to");
  quantization::Options options = folder.options;
  options.to = *folder.to;
  fs::path out = given.out;
  if (out.empty()) {
    const loader::OnnxFile file = loader::describe_onnx_file(given.model);
    out = file.path.parent_path() / (file.stem + quantization::format_suffix(options.to) + ".onnx");
  }
  return quantization::quantize_file(given.model, out, options);
}

std::string bytes_text(size_t bytes) { return amount_text(double(bytes), "bytes"); }

void print(const FileResult& result) {
  const double share = 100.0 * double(result.bytes_after) / double(std::max<size_t>(1, result.bytes_before));
  std::printf("%s: %s, %zu nodes changed, %s to %s (%.0f %%)\n", result.out.c_str(),
              std::string(quantization::format_name(result.format)).c_str(), result.changes.nodes,
              bytes_text(result.bytes_before).c_str(), bytes_text(result.bytes_after).c_str(), share);
  for (const auto& [node, reason] : result.changes.kept) log_detail(node + " stays as it is: " + reason);
  if (result.changes.nodes == 0)
    log_warning(result.in.string() + ": nothing in it can become " +
                std::string(quantization::format_name(result.format)) + "; copied under the new name");
}

int run(Options given) {
  if (given.symmetric || given.asymmetric) given.options.symmetric = given.symmetric;
  given.trials.check(given.model, given.out);
  given.options.calibration = given.trials.calibrate(given.model);
  const quantization::FolderOptions folder = folder_options(given);
  std::vector<FileResult> results;
  if (fs::is_directory(given.model)) {
    results = quantization::quantize_folder(given.model, given.out, folder);
  } else {
    results.push_back(quantize_one(given, folder));
  }
  for (const FileResult& result : results) print(result);
  return given.trials.report(given.model, given.out, std::move(results));
}

void add_number_options(CLI::App& command, Options& given) {
  quantization::Options& options = given.options;
  command.add_flag("--per-channel", options.per_channel,
                   "int8, uint8, q8: a scale for each column or filter instead of one for the weight");
  command.add_flag("--reduce-range", options.reduce_range,
                   "int8, uint8, q8: weights of 7 bits, for processors without VNNI whose sums saturate");
  command.add_option("--block", options.block,
                     "q4, q4f16, bnb4: numbers that share a scale, a power of two (default: 32, bnb4: 64)");
  CLI::Option* symmetric = command.add_flag("--symmetric", given.symmetric, "Zero points in the middle");
  command
      .add_flag("--asymmetric", given.asymmetric,
                "Zero points where the weights need them (default of uint8 only)")
      ->excludes(symmetric);
}

}  // namespace

Command add_quantize(CLI::App& app) {
  auto given = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("quantize", "Write a model in fewer bits: int8, fp16 or 4-bit weights");
  command->add_option("model", given->model, "MODEL.onnx, or a model folder")->required();
  command->add_option(
      "-o,--output", given->out,
      "The .onnx file to write, or a new folder with all that the model needs (default: beside "
      "the model, decoder_model.onnx becomes decoder_model_q4.onnx)");
  command->add_option("--to", given->to, "fp16, q8, int8, uint8, q4, q4f16 or bnb4");
  command
      ->add_option(
          "--module", given->modules,
          "Of a folder: decoder=q4,encoder=fp16, the format of the files whose names begin so; without "
          "--to the others stay as they are")
      ->delimiter(',');
  command
      ->add_option(
          "--exclude", given->options.exclude,
          "A node, weight, operator or PyTorch module that stays as it is, or a pattern with * and ? "
          "(repeatable)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_number_options(*command, *given);
  given->trials.add_to(*command);
  return [given] { return run(*given); };
}

}  // namespace vulcap::apps
