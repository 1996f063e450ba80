#include "loader/speech/transcription_config.h"

#include <algorithm>

#include "loader/generation_config.h"
#include "loader/generation_fields.h"
#include "runtime/core/error.h"

namespace vulcap::speech {
namespace {

using loader::FieldValue;
using Json = nlohmann::json;

constexpr const char* kGenerationFile = "generation_config.json";

std::string text_of(const FieldValue& value) {
  if (!value.json().is_string()) value.refuse("must be a text");
  return value.json().get<std::string>();
}

TokenIds token_ids_of(const FieldValue& value) {
  if (!value.json().is_object()) value.refuse("must be an object of token ids");
  TokenIds ids;
  for (const auto& [token, id] : value.json().items()) ids[token] = value.part(id).integer();
  return ids;
}

std::vector<double> temperatures_of(const FieldValue& value) {
  std::vector<double> result;
  const Json list = value.json().is_array() ? value.json() : Json::array({value.json()});
  for (const Json& entry : list) {
    result.push_back(value.part(entry).number());
    if (result.back() < 0) value.refuse("must not be negative");
  }
  if (result.empty()) value.refuse("must not be empty");
  return result;
}

void set_forced_ids(const FieldValue& value, TranscriptionConfig& config) {
  if (!value.json().is_array()) value.refuse("must be a list of [position, token]");
  config.forced_decoder_ids.clear();
  for (const Json& entry : value.json()) {
    if (!entry.is_array() || entry.size() != 2) value.refuse("must be a list of [position, token]");
    std::optional<int64_t> token;
    if (!entry[1].is_null()) token = value.part(entry[1]).integer();
    config.forced_decoder_ids.emplace_back(value.part(entry[0]).integer(), token);
  }
}

void set_prompt_condition(const FieldValue& value, TranscriptionConfig& config) {
  const std::string type = text_of(value);
  if (type != "first-segment" && type != "all-segments")
    value.refuse("must be \"first-segment\" or \"all-segments\"");
  config.prompt_all_segments = type == "all-segments";
}

// Fields that ask for what the exported graphs cannot give, or for a bare generate().
void refuse_true(const FieldValue& value, TranscriptionConfig&) {
  if (value.json() != false) value.refuse("is set, but it is not supported");
}

void refuse_false(const FieldValue& value, TranscriptionConfig&) {
  if (value.json() != true) value.refuse("is off, which is not supported");
}

void ignore(const FieldValue&, TranscriptionConfig&) {}

struct Field {
  std::string_view name;
  bool flag;  // also an argument of generate()
  bool file;  // also read from generation_config.json
  void (*set)(const FieldValue& value, TranscriptionConfig& config);
};

#define VULCAP_FIELD(name, flag, read)                                                                  \
  {                                                                                                     \
#name, flag, true, [](const FieldValue& value, TranscriptionConfig& config) { config.name = read; } \
  }

// generate() sets do_sample and temperature from its own argument, whatever the file says.
constexpr Field kFields[] = {
    VULCAP_FIELD(language, true, text_of(value)),
    VULCAP_FIELD(task, true, text_of(value)),
    VULCAP_FIELD(return_timestamps, true, value.boolean()),
    {"prompt", true, false,
     [](const FieldValue& value, TranscriptionConfig& config) { config.prompt = text_of(value); }},
    {"temperature", true, false,
     [](const FieldValue& value, TranscriptionConfig& config) {
       config.temperatures = temperatures_of(value);
     }},
    VULCAP_FIELD(compression_ratio_threshold, true, value.number()),
    VULCAP_FIELD(logprob_threshold, true, value.number()),
    VULCAP_FIELD(no_speech_threshold, true, value.number()),
    VULCAP_FIELD(condition_on_prev_tokens, true, value.boolean()),
    {"prompt_condition_type", true, false, set_prompt_condition},
    VULCAP_FIELD(lang_to_id, false, token_ids_of(value)),
    VULCAP_FIELD(task_to_id, false, token_ids_of(value)),
    VULCAP_FIELD(no_timestamps_token_id, false, value.integer()),
    VULCAP_FIELD(prev_sot_token_id, false, value.integer()),
    VULCAP_FIELD(max_initial_timestamp_index, false, value.integer()),
    {"forced_decoder_ids", false, true, set_forced_ids},
    {"is_multilingual", false, true, ignore},
    {"alignment_heads", false, true, ignore},
    {"do_sample", false, true, ignore},
    {"return_token_timestamps", true, true, refuse_true},
    {"force_unique_generate_call", true, true, refuse_true},
    {"_detect_timestamp_from_logprob", false, true, refuse_false},
};

#undef VULCAP_FIELD

const Field* find_field(std::string_view name) {
  const auto field =
      std::find_if(std::begin(kFields), std::end(kFields), [&](const Field& f) { return f.name == name; });
  return field == std::end(kFields) ? nullptr : field;
}

// Takes what is Whisper's own out of the file; the rest is read as for any model.
Json apply_file(const Json& file, TranscriptionConfig& config) {
  Json rest = Json::object();
  for (const auto& [name, json] : file.items()) {
    const Field* field = find_field(name);
    const bool sampling = name == "temperature";
    if (field == nullptr || (!field->file && !sampling)) {
      rest[name] = json;
    } else if (field->file && !json.is_null()) {
      field->set(FieldValue(json, name, kGenerationFile, false), config);
    }
  }
  return rest;
}

loader::GenerationFlags apply_flags(const loader::GenerationFlags& flags, TranscriptionConfig& config,
                                    std::vector<std::string>& warnings) {
  loader::GenerationFlags rest;
  for (const auto& [flag, text] : flags) {
    std::string name = flag;
    std::replace(name.begin(), name.end(), '-', '_');
    const Field* field = find_field(name);
    if (name == "do_sample") {
      warnings.push_back("--do-sample has no effect here: a --temperature above 0 samples");
    } else if (field == nullptr || !field->flag) {
      rest.emplace_back(flag, text);
    } else {
      const bool is_text = name == "prompt" || name == "language" || name == "task";
      const Json json = is_text ? Json(text) : loader::parse_flag(text);
      if (!json.is_null()) field->set(FieldValue(json, name, "--" + flag, true), config);
    }
  }
  return rest;
}

[[noreturn]] void refuse(const std::string& what) { throw core::Error(core::ErrorCode::kUsage, what); }

bool has_flag(const loader::GenerationFlags& flags, std::string_view name) {
  return std::any_of(flags.begin(), flags.end(), [&](const auto& flag) { return flag.first == name; });
}

void check(const TranscriptionSources& sources, const TranscriptionConfig& config) {
  const bool english_only = sources.generation_config &&
                            sources.generation_config->contains("is_multilingual") &&
                            (*sources.generation_config)["is_multilingual"] == false;
  if (english_only && (has_flag(sources.flags, "language") || has_flag(sources.flags, "task")))
    refuse("this model knows English only: leave out --language and --task");
  if (config.task && *config.task != "transcribe" && *config.task != "translate")
    refuse("the task must be transcribe or translate, not '" + *config.task + "'");
  if (config.no_speech_threshold && !config.logprob_threshold)
    refuse("no_speech_threshold needs logprob_threshold beside it");
  if (config.logprob_threshold && config.generation.num_beams > 1)
    refuse("logprob_threshold works without beams only: set num_beams to 1");
  if (config.prompt_all_segments && !config.condition_on_prev_tokens)
    refuse("prompt_condition_type all-segments needs condition_on_prev_tokens");
  if (config.generation.num_return_sequences > 1)
    refuse("a recording has one transcription: set num_return_sequences to 1");
}

}  // namespace

TranscriptionConfig read_transcription_config(const TranscriptionSources& sources,
                                              std::vector<std::string>& warnings) {
  TranscriptionConfig config;
  loader::GenerationSources generation;
  generation.config_json = sources.config.dump();
  const auto forced = sources.config.find("forced_decoder_ids");
  if (forced != sources.config.end() && !forced->is_null())
    set_forced_ids(FieldValue(*forced, "forced_decoder_ids", "config.json", false), config);
  if (sources.generation_config)
    generation.generation_config_json = apply_file(*sources.generation_config, config).dump();
  generation.flags = apply_flags(sources.flags, config, warnings);
  const loader::LoadedGenerationConfig loaded = loader::load_generation_config(generation);
  warnings.insert(warnings.end(), loaded.warnings.begin(), loaded.warnings.end());
  config.generation = loaded.config;
  // generate() hands its max_length on in the config, where 20 means 20 new tokens.
  config.generation.max_length_given = false;
  config.generation.do_sample = false;
  config.generation.temperature = 1.0;
  check(sources, config);
  return config;
}

}  // namespace vulcap::speech
