// Reads generation_config.json, the legacy values in config.json and command-line flags into a
// GenerationConfig, with the precedence of transformers 4.57: flags, then generation_config.json, then (only
// without that file) config.json and its decoder section. Every field is honoured, known to change nothing,
// refused, or named in a warning.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/generate/config.h"

namespace vulcap::loader {

struct GenerationSources {
  std::optional<std::string> generation_config_json;  // the file's text; absent when there is no such file
  std::string config_json;                            // the file's text; may be empty
  // Name without "--", value as text: {"num-beams", "4"}. An empty value switches a boolean on. Lists are
  // JSON, the outer brackets may be left out: {"suppress-tokens", "1,2"}. The last of equal names counts.
  std::vector<std::pair<std::string, std::string>> flags;
  // Fields of generation_config.json that the model family reads itself: no warning for these.
  std::vector<std::string> family_fields;
};

struct LoadedGenerationConfig {
  generate::GenerationConfig config;
  std::vector<std::string> warnings;  // one line each
};

// Throws core::Error: kInvalidModel for a file, kUsage for a flag, each naming the field.
LoadedGenerationConfig load_generation_config(const GenerationSources& sources);

// In kebab-case, without "--".
std::vector<std::string> generation_flags();
bool is_generation_flag(std::string_view name);

}  // namespace vulcap::loader
