#include "loader/generation_fields.h"

#include <cmath>
#include <limits>

#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using generate::EarlyStopping;
using generate::GenerationConfig;
using Json = nlohmann::json;

void set_early_stopping(const FieldValue& value, GenerationConfig& config) {
  if (value.json() == "never") {
    config.early_stopping = EarlyStopping::kNever;
  } else {
    config.early_stopping = value.boolean() ? EarlyStopping::kYes : EarlyStopping::kNo;
  }
}

void set_sequence_bias(const FieldValue& value, GenerationConfig& config) {
  if (!value.json().is_array()) value.refuse("must be a list of [[ids], bias]");
  config.sequence_bias.clear();
  for (const Json& entry : value.json()) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_array() || !entry[1].is_number()) {
      value.refuse("must be a list of [[ids], bias]");
    }
    const double bias = entry[1].get<double>();
    if (std::abs(bias) > std::numeric_limits<float>::max()) value.refuse("has a bias out of range");
    config.sequence_bias.push_back({value.part(entry[0]).integers(), static_cast<float>(bias)});
  }
}

void set_exponential_decay(const FieldValue& value, GenerationConfig& config) {
  const Json& pair = value.json();
  if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_integer() || !pair[1].is_number()) {
    value.refuse("must be [start, factor]");
  }
  const auto start = pair[0].get<int64_t>();
  if (start < 0 || start > std::numeric_limits<int32_t>::max()) value.refuse("must start at 0 or later");
  config.exponential_decay_length_penalty = {start, pair[1].get<double>()};
}

void set_max_length(const FieldValue& value, GenerationConfig& config) {
  config.max_length = value.integer();
  config.max_length_given = value.is_flag();
}

void set_decoder_start(const FieldValue& value, GenerationConfig& config) {
  const auto ids = value.integers();
  if (ids.size() != 1) value.refuse("must be one token: a list for each batch item is not supported");
  config.decoder_start_token_id = ids[0];
}

void set_seed(const FieldValue& value, GenerationConfig& config) {
  if (!value.json().is_number_unsigned()) value.refuse("must be a whole number of 0 or more");
  config.seed = value.json().get<uint64_t>();
}

#define VULCAP_FIELD(name, reader)                                                                 \
  {                                                                                                \
#name, [](const FieldValue& value, GenerationConfig& config) { config.name = value.reader(); } \
  }

constexpr HonouredField kHonoured[] = {
    {"max_length", set_max_length},
    VULCAP_FIELD(max_new_tokens, integer),
    VULCAP_FIELD(min_length, integer),
    VULCAP_FIELD(min_new_tokens, integer),
    {"early_stopping", set_early_stopping},
    VULCAP_FIELD(max_time, number),
    VULCAP_FIELD(stop_strings, strings),
    VULCAP_FIELD(do_sample, boolean),
    VULCAP_FIELD(num_beams, integer),
    VULCAP_FIELD(temperature, number),
    VULCAP_FIELD(top_k, integer),
    VULCAP_FIELD(top_p, number),
    VULCAP_FIELD(min_p, number),
    VULCAP_FIELD(typical_p, number),
    VULCAP_FIELD(epsilon_cutoff, number),
    VULCAP_FIELD(eta_cutoff, number),
    VULCAP_FIELD(repetition_penalty, number),
    VULCAP_FIELD(encoder_repetition_penalty, number),
    VULCAP_FIELD(length_penalty, number),
    VULCAP_FIELD(no_repeat_ngram_size, integer),
    VULCAP_FIELD(encoder_no_repeat_ngram_size, integer),
    VULCAP_FIELD(bad_words_ids, integer_lists),
    {"sequence_bias", set_sequence_bias},
    VULCAP_FIELD(renormalize_logits, boolean),
    VULCAP_FIELD(forced_bos_token_id, integer),
    VULCAP_FIELD(forced_eos_token_id, integers),
    VULCAP_FIELD(remove_invalid_values, boolean),
    {"exponential_decay_length_penalty", set_exponential_decay},
    VULCAP_FIELD(suppress_tokens, integers),
    VULCAP_FIELD(begin_suppress_tokens, integers),
    VULCAP_FIELD(num_return_sequences, integer),
    VULCAP_FIELD(pad_token_id, integer),
    VULCAP_FIELD(bos_token_id, integer),
    VULCAP_FIELD(eos_token_id, integers),
    {"decoder_start_token_id", set_decoder_start},
    VULCAP_FIELD(output_scores, boolean),
    {"seed", set_seed},
};

#undef VULCAP_FIELD

constexpr RefusedField kRefused[] = {
    {"num_beam_groups", "1", "group beam search is not supported (transformers 4.57 moved it out as well)"},
    {"diversity_penalty", "0.0", "it belongs to group beam search, which is not supported"},
    {"constraints", "null", "constrained beam search is not supported"},
    {"force_words_ids", "null", "constrained beam search is not supported"},
    {"penalty_alpha", "0.0", "contrastive search is not supported"},
    {"dola_layers", "null", "DoLa decoding is not supported"},
    {"guidance_scale", "1.0", "classifier-free guidance is not supported"},
    {"watermarking_config", "null", "watermarks are not supported"},
    {"token_healing", "false", "token healing is not supported"},
    {"low_memory", "false", "transformers 4.57 has no such beam search"},
};

constexpr LegacyField kLegacy[] = {
    {"max_length", "20"},
    {"min_length", "0"},
    {"do_sample", "false"},
    {"early_stopping", "false"},
    {"num_beams", "1"},
    {"temperature", "1.0"},
    {"top_k", "50"},
    {"top_p", "1.0"},
    {"typical_p", "1.0"},
    {"repetition_penalty", "1.0"},
    {"length_penalty", "1.0"},
    {"no_repeat_ngram_size", "0"},
    {"encoder_no_repeat_ngram_size", "0"},
    {"bad_words_ids", "null"},
    {"num_return_sequences", "1"},
    {"forced_bos_token_id", "null"},
    {"forced_eos_token_id", "null"},
    {"remove_invalid_values", "false"},
    {"exponential_decay_length_penalty", "null"},
    {"suppress_tokens", "null"},
    {"begin_suppress_tokens", "null"},
    {"num_beam_groups", "1"},
    {"diversity_penalty", "0.0"},
};

constexpr std::string_view kNeutral[] = {"use_cache",
                                         "cache_implementation",
                                         "cache_config",
                                         "return_legacy_cache",
                                         "prefill_chunk_size",
                                         "output_attentions",
                                         "output_hidden_states",
                                         "output_logits",
                                         "return_dict_in_generate",
                                         "is_assistant",
                                         "num_assistant_tokens",
                                         "num_assistant_tokens_schedule",
                                         "assistant_confidence_threshold",
                                         "max_matching_ngram_size",
                                         "assistant_lookbehind",
                                         "target_lookbehind",
                                         "compile_config",
                                         "disable_compile",
                                         "_from_model_config",
                                         "_commit_hash",
                                         "_original_object_hash",
                                         "transformers_version"};

constexpr std::string_view kSpeed[] = {"prompt_lookup_num_tokens", "assistant_early_exit"};

}  // namespace

std::span<const HonouredField> honoured_fields() { return kHonoured; }
std::span<const RefusedField> refused_fields() { return kRefused; }
std::span<const LegacyField> legacy_fields() { return kLegacy; }
std::span<const std::string_view> neutral_fields() { return kNeutral; }
std::span<const std::string_view> speed_fields() { return kSpeed; }

void FieldValue::refuse(const std::string& what) const {
  throw core::Error(is_flag_ ? core::ErrorCode::kUsage : core::ErrorCode::kInvalidModel,
                    origin_ + ": " + name_ + " " + what);
}

bool FieldValue::boolean() const {
  if (value_.is_boolean()) return value_.get<bool>();
  if (value_ == 0 || value_ == 1) return value_ == 1;
  refuse("must be true or false");
}

int64_t FieldValue::integer() const {
  constexpr double kExact = 9007199254740992.0;
  if (value_.is_number_float()) {
    const double number = value_.get<double>();
    if (std::trunc(number) == number && std::abs(number) <= kExact) return static_cast<int64_t>(number);
  } else if (value_.is_number_unsigned()) {
    const auto number = value_.get<uint64_t>();
    if (number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return static_cast<int64_t>(number);
  } else if (value_.is_number_integer()) {
    return value_.get<int64_t>();
  }
  refuse("must be a whole number");
}

double FieldValue::number() const {
  if (!value_.is_number()) refuse("must be a number");
  return value_.get<double>();
}

const Json::array_t& FieldValue::list() const {
  if (!value_.is_array()) refuse("must be a list");
  return value_.get_ref<const Json::array_t&>();
}

std::vector<int64_t> FieldValue::integers() const {
  if (value_.is_number()) return {integer()};
  std::vector<int64_t> result;
  for (const Json& entry : list()) result.push_back(part(entry).integer());
  return result;
}

std::vector<std::vector<int64_t>> FieldValue::integer_lists() const {
  std::vector<std::vector<int64_t>> result;
  for (const Json& entry : list()) {
    if (!entry.is_array()) refuse("must be a list of lists");
    result.push_back(part(entry).integers());
  }
  return result;
}

std::vector<std::string> FieldValue::strings() const {
  if (value_.is_string()) return {value_.get<std::string>()};
  std::vector<std::string> result;
  for (const Json& entry : list()) {
    if (!entry.is_string()) refuse("must be a string or a list of strings");
    result.push_back(entry.get<std::string>());
  }
  return result;
}

}  // namespace vulcap::loader
