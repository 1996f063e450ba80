#include "loader/generation_config.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "loader/generation_fields.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using generate::GenerationConfig;
using Json = nlohmann::json;

constexpr const char* kGenerationFile = "generation_config.json";
constexpr const char* kConfigFile = "config.json";
constexpr std::array<const char*, 3> kDecoderSections = {"decoder", "generator", "text_config"};

struct Entry {
  Json value;
  std::string origin;
  bool is_flag = false;
};
using Entries = std::map<std::string, Entry, std::less<>>;

Json parse_object(const std::string& text, const char* file) {
  try {
    Json json = Json::parse(text);
    if (json.is_object()) return json;
  } catch (const Json::parse_error& error) {
    throw core::Error(core::ErrorCode::kInvalidModel,
                      std::string(file) + " is not valid JSON at byte " + std::to_string(error.byte));
  } catch (const Json::exception&) {
    throw core::Error(core::ErrorCode::kInvalidModel, std::string(file) + " has a number out of range");
  }
  throw core::Error(core::ErrorCode::kInvalidModel, std::string(file) + " is not a JSON object");
}

template <typename Table>
auto find_field(const Table& table, std::string_view name) {
  return std::find_if(table.begin(), table.end(), [&](const auto& field) { return field.name == name; });
}

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_honoured(std::string_view name) {
  return find_field(honoured_fields(), name) != honoured_fields().end();
}
bool is_refused(std::string_view name) {
  return find_field(refused_fields(), name) != refused_fields().end();
}
bool is_file_field(std::string_view name) {
  return (is_honoured(name) && name != "seed") || is_refused(name);
}

bool is_default(std::string_view name, const Json& value) {
  const auto field = find_field(legacy_fields(), name);
  return value.is_null() || (field != legacy_fields().end() && value == Json::parse(field->default_value));
}

// config.json is full of other fields, so only those that concern generation are taken.
Entries legacy_entries(const Json& config) {
  Entries entries;
  for (const auto& [name, value] : config.items()) {
    if (is_file_field(name) && !value.is_null()) entries[name] = {value, kConfigFile, false};
  }
  for (const char* section : kDecoderSections) {
    if (!config.contains(section) || !config[section].is_object()) continue;
    for (const auto& [name, value] : config[section].items()) {
      if (!is_file_field(name) || value.is_null()) continue;
      const auto outer = entries.find(name);
      if (outer != entries.end() && !is_default(name, outer->second.value)) continue;
      entries[name] = {value, std::string(kConfigFile) + " (" + section + ")", false};
    }
    break;
  }
  return entries;
}

Entries file_entries(const Json& file) {
  Entries entries;
  for (const auto& [name, value] : file.items()) entries[name] = {value, kGenerationFile, false};
  return entries;
}

// transformers lets config.json win in this case; it is a mistake of the model folder either way.
void warn_about_conflicts(const Json& file, const Json& config, std::vector<std::string>& warnings) {
  if (!file.contains("_from_model_config") || file["_from_model_config"] != true) return;
  for (const LegacyField& field : legacy_fields()) {
    const std::string name(field.name);
    if (!config.contains(name) || is_default(name, config[name])) continue;
    if (file.contains(name) && file[name] == config[name]) continue;
    warnings.push_back("config.json sets " + name +
                       " otherwise than generation_config.json: the latter is used");
  }
}

std::string with_underscores(std::string_view flag) {
  std::string name(flag);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

void add_flags(const GenerationSources& sources, Entries& entries) {
  for (const auto& [flag, text] : sources.flags) {
    const std::string name = with_underscores(flag);
    if (!is_honoured(name) && !is_refused(name)) {
      throw core::Error(core::ErrorCode::kUsage, "--" + flag + " is no generation option");
    }
    const bool is_text = name == "stop_strings" && (text.empty() || text.front() != '[');
    entries[name] = {is_text ? Json(text) : parse_flag(text), "--" + flag, true};
  }
}

bool is_quantized_cache(const std::string& name, const Json& value) {
  return name == "cache_implementation" && value == "quantized";
}

void apply_entry(const std::string& name, const Entry& entry, const GenerationSources& sources,
                 LoadedGenerationConfig& loaded) {
  const FieldValue value(entry.value, name, entry.origin, entry.is_flag);
  const auto honoured = find_field(honoured_fields(), name);
  const auto refused = find_field(refused_fields(), name);
  if (honoured != honoured_fields().end() && (name != "seed" || entry.is_flag)) {
    if (!entry.value.is_null()) {
      honoured->set(value, loaded.config);
    } else if (name == "top_k") {
      loaded.config.top_k = 0;  // None switches the filter off, unlike a missing field
    }
  } else if (refused != refused_fields().end()) {
    const bool neutral = entry.value.is_null() || entry.value == Json::parse(refused->neutral);
    if (!neutral) value.refuse("is set, but " + std::string(refused->reason));
  } else if (contains(speed_fields(), name)) {
    if (!entry.value.is_null())
      loaded.warnings.push_back(entry.origin + ": " + name + " is ignored: it only concerns speed");
  } else if (is_quantized_cache(name, entry.value)) {
    loaded.warnings.push_back(entry.origin + ": the quantized cache is ignored: scores may differ slightly");
  } else if (!contains(neutral_fields(), name) && !contains(sources.family_fields, name)) {
    loaded.warnings.push_back(entry.origin + ": " + name + " is not known and ignored");
  }
}

void read_max_position_embeddings(const Json& config, GenerationConfig& result) {
  for (const char* name : {"max_position_embeddings", "n_positions"}) {
    if (!config.contains(name) || !config[name].is_number_integer()) continue;
    result.max_position_embeddings = FieldValue(config[name], name, kConfigFile, false).integer();
    return;
  }
}

}  // namespace

nlohmann::json parse_flag(const std::string& text) {
  if (text.empty()) return true;
  if (text == "True" || text == "False") return text == "True";
  if (text == "None") return nullptr;
  for (const std::string& candidate : {text, "[" + text + "]"}) {
    Json json = Json::parse(candidate, nullptr, false);
    if (!json.is_discarded()) return json;
  }
  return text;
}

LoadedGenerationConfig load_generation_config(const GenerationSources& sources) {
  LoadedGenerationConfig loaded;
  const Json config =
      sources.config_json.empty() ? Json::object() : parse_object(sources.config_json, kConfigFile);
  Entries entries;
  if (sources.generation_config_json) {
    const Json file = parse_object(*sources.generation_config_json, kGenerationFile);
    entries = file_entries(file);
    warn_about_conflicts(file, config, loaded.warnings);
  } else {
    entries = legacy_entries(config);
  }
  add_flags(sources, entries);
  read_max_position_embeddings(config, loaded.config);
  for (const auto& [name, entry] : entries) apply_entry(name, entry, sources, loaded);
  const std::vector<std::string> unused = generate::check(loaded.config);
  loaded.warnings.insert(loaded.warnings.end(), unused.begin(), unused.end());
  return loaded;
}

std::vector<std::string> generation_flags() {
  std::vector<std::string> flags;
  for (const HonouredField& field : honoured_fields()) {
    std::string name(field.name);
    std::replace(name.begin(), name.end(), '_', '-');
    flags.push_back(std::move(name));
  }
  return flags;
}

bool is_generation_flag(std::string_view name) {
  const std::string field = with_underscores(name);
  return name.find('_') == std::string_view::npos && (is_honoured(field) || is_refused(field));
}

}  // namespace vulcap::loader
