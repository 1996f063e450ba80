#include "loader/families/model_folder.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "loader/lora/merged_model.h"
#include "loader/onnx/import.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"
#include "runtime/ops/kernel_registry.h"
#include "runtime/passes/hoist.h"

namespace vulcap::loader {

nlohmann::json read_config(const std::filesystem::path& dir) {
  if (!std::filesystem::is_directory(dir)) {
    throw core::Error(
        core::ErrorCode::kInvalidModel,
        dir.string() + ": not a folder; -m takes a model folder with config.json and onnx files");
  }
  return read_json_object(dir / "config.json");
}

std::string model_type(const nlohmann::json& config) {
  const auto type = config.find("model_type");
  return type != config.end() && type->is_string() ? type->get<std::string>() : "";
}

std::optional<int64_t> first_integer(const nlohmann::json& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto value = config.find(key);
    if (value != config.end() && value->is_number_integer()) return value->get<int64_t>();
  }
  return std::nullopt;
}

const nlohmann::json& section(const nlohmann::json& config, const char* key) {
  const auto found = config.find(key);
  return found != config.end() && found->is_object() ? *found : config;
}

bool rotates_positions(const nlohmann::json& text_config) {
  constexpr const char* kSigns[] = {"rope_theta", "rope_scaling",    "rope_parameters",
                                    "rotary_dim", "rotary_emb_base", "alibi"};
  return std::any_of(std::begin(kSigns), std::end(kSigns),
                     [&](const char* sign) { return text_config.contains(sign); });
}

std::optional<std::string> read_text_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

GenerationSources generation_sources(const std::filesystem::path& dir, const nlohmann::json& config) {
  GenerationSources sources;
  sources.generation_config_json = read_text_file(dir / "generation_config.json");
  sources.config_json = config.dump();
  return sources;
}

generate::GenerationConfig with_flags(GenerationSources sources, const GenerationFlags& flags,
                                      std::vector<std::string>& warnings) {
  sources.flags = flags;
  LoadedGenerationConfig loaded = load_generation_config(sources);
  warnings.insert(warnings.end(), loaded.warnings.begin(), loaded.warnings.end());
  return loaded.config;
}

graph::Graph load_graph(const OnnxFile& file, const LoadOptions& options) {
  const std::filesystem::path prelude = prelude_path(file.path);
  const bool in_parts = std::filesystem::exists(prelude);
  if (in_parts && !options.adapter.empty())
    throw core::Error(core::ErrorCode::kInvalidModel,
                      file.path.string() + ": adapters go into models in one part, and this one has " +
                          prelude.string() + "; merge the adapter before vulcap optimize --level 3");
  if (in_parts) return passes::join_prelude(onnx::load_graph(prelude), onnx::load_graph(file.path));
  if (options.adapter.empty()) return onnx::load_graph(file.path);
  return onnx::import_graph(lora::read_merged_model(file.path, options.adapter), file.path);
}

passes::PassOptions passes_for(const OnnxFile& file, const LoadOptions& options) {
  passes::PassOptions passes = options.passes;
  passes.half = DtypeRequest(options.dtype).converts_to_half(file);
  return passes;
}

std::string describe_file(const std::string& role, const OnnxFile& file, const LoadOptions& options) {
  return role + ": " + file.path.string() + " (" + file.dtype +
         (passes_for(file, options).half ? ", run in fp16)" : ")");
}

Fallbacks count_fallbacks(const std::vector<const plan::Plan*>& plans) {
  std::map<std::string, int> counts;
  for (const plan::Plan* plan : plans) {
    for (size_t i = 0; plan != nullptr && i < plan->calls.size(); ++i) {
      if (plan->on_host[i])
        ++counts[std::string(ops::kernels()[plan->calls[i].kernel].name) + ": " + plan->reasons[i]];
    }
  }
  return {counts.begin(), counts.end()};
}

}  // namespace vulcap::loader
