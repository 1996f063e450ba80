#include "loader/conversion/merge_lora.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "apps/cli/log.h"
#include "apps/commands.h"
#include "loader/lora/merged_model.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct Options {
  std::string model, adapter, out;
  bool partial = false;
};

int merge_file(const Options& options) {
  const auto merged = lora::write_merged_model(options.model, options.adapter, options.out, options.partial);
  for (const auto& [module, target] : merged.modules) {
    log_detail(module + " -> " + target);
  }
  for (const std::string& module : merged.unmatched) log_warning("not in this file: " + module);
  std::printf("%s: %zu modules merged, %zu weights changed\n", options.out.c_str(), merged.modules.size(),
              merged.edits.size());
  return 0;
}

int merge_folder(const Options& options) {
  if (options.partial)
    throw core::Error(core::ErrorCode::kUsage,
                      "--partial is for a single file; of a folder, modules that one "
                      "file lacks are looked for in the others");
  for (const conversion::MergedFile& file :
       conversion::merge_folder(options.model, options.adapter, options.out)) {
    if (!file.left_out.empty()) {
      log_warning(file.name.string() + " is left out: it " + file.left_out);
    } else if (file.modules == 0) {
      std::printf("%s: has none of the modules, copied\n", file.name.c_str());
    } else {
      std::printf("%s: %zu modules merged, %zu weights changed\n", file.name.c_str(), file.modules,
                  file.weights);
    }
  }
  return 0;
}

int run(const Options& options) {
  return std::filesystem::is_directory(options.model) ? merge_folder(options) : merge_file(options);
}

}  // namespace

Command add_merge_lora(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("merge-lora", "Merge a PEFT LoRA adapter into the weights of a model");
  command
      ->add_option("model", options->model,
                   "MODEL.onnx, or a model folder: then every file that has modules of the adapter")
      ->required();
  command
      ->add_option("adapter", options->adapter,
                   "Folder with adapter_config.json and adapter_model.safetensors")
      ->required();
  command
      ->add_option("-o,--output", options->out,
                   "The .onnx file to write, large weights go to OUT.onnx.data if the model keeps them "
                   "outside; or the new folder")
      ->required();
  command->add_flag("--partial", options->partial,
                    "Of one file: leave out modules that it lacks, for a model in several files");
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
