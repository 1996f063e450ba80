// What steers a transcription: WhisperForConditionalGeneration.generate's arguments in transformers 4.57 and
// the fields of generation_config.json that it reads, with that file's token tables.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loader/tasks/load_options.h"
#include "runtime/generate/config.h"
#include "runtime/generate/logits_processor.h"

namespace vulcap::speech {

using TokenIds = std::map<std::string, int64_t>;

struct TranscriptionConfig {
  // Of one pass over one window; `temperatures` decides do_sample and temperature.
  generate::GenerationConfig generation;

  std::optional<std::string> language;  // name, code or token; none: detected where the model can
  std::optional<std::string> task;      // "transcribe" or "translate"
  std::optional<bool> return_timestamps;
  std::string prompt;  // text that the recording continues, or names and words that it holds

  // Tried in turn until a pass meets both thresholds; 0 is greedy or beam search.
  std::vector<double> temperatures = {0.0};
  std::optional<double> compression_ratio_threshold;  // more repetitive text is tried again
  std::optional<double> logprob_threshold;            // text of a lower mean log-probability is tried again
  std::optional<double>
      no_speech_threshold;                // a window that fails and is likelier silence than this is skipped
  bool condition_on_prev_tokens = false;  // a window's prompt holds the text before it
  bool prompt_all_segments = false;       // prompt_condition_type "all-segments"

  std::optional<TokenIds> lang_to_id;  // "<|en|>" -> id
  std::optional<TokenIds> task_to_id;
  std::optional<int64_t> no_timestamps_token_id;
  std::optional<int64_t> prev_sot_token_id;
  std::optional<int64_t> max_initial_timestamp_index;
  // Position and token; no token: the language that is detected.
  std::vector<std::pair<int64_t, std::optional<int64_t>>> forced_decoder_ids;

  std::vector<generate::LogitsProcessor*> observers;  // see the scores behind all rules; not owned
};

struct TranscriptionSources {
  std::optional<nlohmann::json> generation_config;  // the file; absent when there is none
  nlohmann::json config;                            // config.json
  loader::GenerationFlags flags;                    // generate()'s arguments, in kebab-case
};

// Flags win over generation_config.json, that over config.json. Appends a line to `warnings` for each field
// that is not honoured. Throws core::Error: kUsage for a flag, kInvalidModel for a file, naming the field.
TranscriptionConfig read_transcription_config(const TranscriptionSources& sources,
                                              std::vector<std::string>& warnings);

}  // namespace vulcap::speech
