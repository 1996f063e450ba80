#include "apps/cli/options.h"

#include <algorithm>
#include <charconv>

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

void DeviceOptions::add_to(CLI::App& command) {
  command.add_option("--device", device, "auto, cpu, vulkan, vulkan:N, name:TEXT or uuid:HEX")
      ->envname("VULCAP_ARG_DEVICE")
      ->capture_default_str();
  command
      .add_option("-t,--threads", threads,
                  "Threads of the CPU back end; 0: every processor this process may use")
      ->envname("VULCAP_ARG_THREADS")
      ->check(CLI::Range(0, 1024));
  command
      .add_flag(
          "--check-finite", check_finite,
          "Run call by call and stop at the first value with an Inf or NaN that its operands lack (slow)")
      ->envname("VULCAP_ARG_CHECK_FINITE");
  command.add_flag("-v,--verbose", verbose,
                   "Device, files, timings and every fallback with its reason, on stderr");
}

session::OpenedDevice DeviceOptions::open() const {
  session::DeviceRequest request;
  request.device = device;
  request.threads = threads;
  request.pipeline_cache_dir = session::default_cache_dir();
  session::OpenedDevice opened = session::open_device(request);
  opened.device->set_check_finite(check_finite);
  opened.device->on_fall_back([](const std::string& reason) { log_info("fallback to cpu: " + reason); });
  log_detail("device: " + opened.name + " (" + opened.reason + ")");
  return opened;
}

session::OpenedDevice DeviceOptions::open_for_user() const {
  session::OpenedDevice opened = open();
  if (!verbose && device == "auto" && !opened.is_vulkan) log_info("running on the cpu: " + opened.reason);
  return opened;
}

void ModelOptions::add_to(CLI::App& command) {
  command
      .add_option(
          "-m,--model", model,
          "Model folder (config.json, tokenizer.json, *.onnx or onnx/*.onnx), or org/model[:dtype] of a hub, "
          "downloaded when the cache lacks it; default: the embedded model")
      ->envname("VULCAP_ARG_MODEL");
  command.add_option("--hf-repo", hf_repo, "The same, of a hub in any case: org/model[:dtype] (or -hf)")
      ->envname("VULCAP_ARG_HF_REPO");
  hub.add_to(command);
  DeviceOptions::add_to(command);
  command
      .add_option(
          "--dtype", dtype,
          "Variant of the model files: auto, fp32, fp16, q8, int8, uint8, q4, q4f16, bnb4; or by file: "
          "encoder_model=fp16,decoder_model_merged=q4")
      ->envname("VULCAP_ARG_DTYPE")
      ->capture_default_str();
  command
      .add_option("--adapter", adapter,
                  "Folder of a PEFT LoRA adapter (adapter_config.json, adapter_model.safetensors) that is "
                  "merged into the weights as they are loaded")
      ->envname("VULCAP_ARG_ADAPTER");
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
