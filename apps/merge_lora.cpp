#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "apps/cli/log.h"
#include "apps/commands.h"
#include "loader/lora/merged_model.h"

namespace vulcap::apps {
namespace {

struct Options {
  std::string model, adapter, out;
  bool partial = false;
};

int run(const Options& options) {
  const auto merged = lora::write_merged_model(options.model, options.adapter, options.out, options.partial);
  for (const auto& [module, target] : merged.modules) {
    log_detail(module + " -> " + target);
  }
  for (const std::string& module : merged.unmatched) log_warning("not in this file: " + module);
  std::printf("%s: %zu modules merged, %zu weights changed\n", options.out.c_str(), merged.modules.size(),
              merged.edits.size());
  return 0;
}

}  // namespace

Command add_merge_lora(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("merge-lora", "Merge a PEFT LoRA adapter into the weights of an .onnx file");
  command->add_option("model", options->model, "MODEL.onnx")->required();
  command
      ->add_option("adapter", options->adapter,
                   "Folder with adapter_config.json and adapter_model.safetensors")
      ->required();
  command
      ->add_option("-o,--output", options->out,
                   "The .onnx file to write; large weights go to OUT.onnx.data if "
                   "the model keeps them outside")
      ->required();
  command->add_flag("--partial", options->partial,
                    "Leave out modules that the file lacks, for a model in several files");
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
