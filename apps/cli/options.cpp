#include "apps/cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "apps/cli/log.h"
#include "loader/generation_config.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

// Beside the installed program, else in the source tree it was built from.
std::filesystem::path embedded_model() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto installed = program.parent_path().parent_path() / "share/vulcap/models/scenes-vit-gpt2";
  if (!error && std::filesystem::is_directory(installed)) return installed;
  return VULCAP_MODEL_DIR;
}

}  // namespace

void ModelOptions::add_to(CLI::App& command) {
  command.option_defaults()->group("Model");
  command.add_option(
      "-m,--model", model,
      "Model folder (config.json, tokenizer.json, *.onnx or onnx/*.onnx), or org/model[:dtype] of a hub, "
      "downloaded when the cache lacks it; default: the embedded model");
  command.add_option("--hf-repo", hf_repo, "The same, of a hub in any case: org/model[:dtype] (or -hf)");
  hub.add_to(command);
  command
      .add_option(
          "--dtype", dtype,
          "Variant of the model files: auto, fp32, fp16, q8, int8, uint8, q4, q4f16, bnb4; or by file: "
          "encoder_model=fp16,decoder_model_merged=q4")
      ->capture_default_str();
  command.add_option("--adapter", adapter,
                     "Folder of a PEFT LoRA adapter (adapter_config.json, adapter_model.safetensors) that is "
                     "merged into the weights as they are loaded");
  DeviceOptions::add_to(command);
}

std::filesystem::path ModelOptions::model_dir() const {
  if (model.empty() && hf_repo.empty()) return embedded_model();
  const auto name = hub_model(model, hf_repo);
  return name ? locate_on_hub(name->repo, with_dtype_of(*name, dtype), hub) : std::filesystem::path(model);
}

loader::LoadOptions ModelOptions::load_options() const {
  const auto name = hub_model(model, hf_repo);
  loader::LoadOptions load;
  load.dtype = name ? with_dtype_of(*name, dtype) : dtype;
  load.adapter = adapter;
  // As the variable of that name that turns fusion off elsewhere.
  if (const char* value = std::getenv("VULCAP_VK_DISABLE_FUSION");
      value != nullptr && std::string(value) != "0") {
    for (const passes::Pass& pass : passes::passes()) {
      if (pass.name.starts_with("fuse_")) load.passes.disabled.emplace_back(pass.name);
    }
  }
  return load;
}

void GenerationOptions::add_to(CLI::App& command) {
  for (const std::string& name : loader::generation_flags()) {
    std::string snake = name;
    std::replace(snake.begin(), snake.end(), '-', '_');
    const std::string names = (name == "max-new-tokens" ? "-n," : "") + std::string("--") + name +
                              (snake == name ? "" : ",--" + snake);
    command
        .add_option_function<std::vector<std::string>>(names,
                                                       [this, name](const std::vector<std::string>& values) {
                                                         flags.emplace_back(
                                                             name, values.empty() ? "" : values.back());
                                                       })
        ->expected(0, 1)
        ->allow_extra_args(false)
        ->group("Generation (as in transformers' generate)");
  }
}

std::map<core::Symbol, int64_t> parse_dims(const std::vector<std::string>& dims) {
  std::map<core::Symbol, int64_t> sizes;
  for (const std::string& item : dims) {
    const size_t equals = item.find('=');
    int64_t size = -1;
    const char* end = item.data() + item.size();
    if (equals != std::string::npos && equals > 0)
      if (std::from_chars(item.data() + equals + 1, end, size).ptr != end) size = -1;
    if (size < 0) throw core::Error(core::ErrorCode::kUsage, "--dim takes NAME=SIZE, not '" + item + "'");
    sizes[core::intern_symbol(item.substr(0, equals))] = size;
  }
  return sizes;
}

}  // namespace vulcap::apps
