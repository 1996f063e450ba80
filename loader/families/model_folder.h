// What families share about a model folder: its settings and its graphs on a device.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/generation_config.h"
#include "loader/model_dir.h"
#include "loader/tasks/load_options.h"
#include "runtime/graph/graph.h"
#include "runtime/plan/plan.h"

namespace vulcap::loader {

// config.json of a model folder. Throws core::Error(kInvalidModel) when `dir` is no folder, the file is
// missing or it holds no object.
nlohmann::json read_config(const std::filesystem::path& dir);
// config["model_type"], "" when it is absent.
std::string model_type(const nlohmann::json& config);
// The first of `keys` that `config` holds as a whole number.
std::optional<int64_t> first_integer(const nlohmann::json& config, std::initializer_list<const char*> keys);
// config[key] when it is an object, else config itself: text settings of models that nest them.
const nlohmann::json& section(const nlohmann::json& config, const char* key);

// Whether a text model turns or slopes its positions (rotary embeddings, ALiBi) instead of looking them up in
// a table: then it also answers beyond the length it was trained for.
bool rotates_positions(const nlohmann::json& text_config);

// The whole file; none when there is no such file.
std::optional<std::string> read_text_file(const std::filesystem::path& path);

// The generation settings of a folder whose config.json is `config`, without flags.
GenerationSources generation_sources(const std::filesystem::path& dir, const nlohmann::json& config);
// The settings with `flags` over them; lines for fields that are not honoured go to `warnings`.
generate::GenerationConfig with_flags(GenerationSources sources, const GenerationFlags& flags,
                                      std::vector<std::string>& warnings);

// The graph of a file, joined with its prelude where it has one, or with the adapter of the options merged
// into it. Throws core::Error(kInvalidModel) where it has a prelude and is to have an adapter.
graph::Graph load_graph(const OnnxFile& file, const LoadOptions& options);
// Pass options for a file of the folder, half precision included.
passes::PassOptions passes_for(const OnnxFile& file, const LoadOptions& options);
// "encoder: path (fp32, run in fp16)".
std::string describe_file(const std::string& role, const OnnxFile& file, const LoadOptions& options);

// What `plans` left to the host; null plans are skipped.
Fallbacks count_fallbacks(const std::vector<const plan::Plan*>& plans);

}  // namespace vulcap::loader
