// What steers generation. Names, defaults and meaning follow transformers 4.57 `GenerationConfig`; a field
// whose value there may be None is an optional here, an empty list, or has a neutral value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vulcap::generate {

enum class EarlyStopping { kNo, kYes, kNever };

// Adds `bias` to the last of `ids` wherever the ids before it end the sequence.
struct SequenceBias {
  std::vector<int64_t> ids;
  float bias = 0.0F;
};

// After `start` new tokens the end tokens gain |score| * (factor^(tokens past start) - 1).
struct ExponentialDecay {
  int64_t start = 0;
  double factor = 1.0;
};

struct GenerationConfig {
  // Lengths count the prompt, except the `new_tokens` ones, which win over them.
  int64_t max_length = 20;
  // transformers: `max_length` was an argument of generate(). Otherwise the value 20, also one from a file,
  // means 20 new tokens, at most max_position_embeddings in all.
  bool max_length_given = false;
  std::optional<int64_t> max_new_tokens;
  int64_t min_length = 0;
  std::optional<int64_t> min_new_tokens;
  std::optional<double> max_time;                  // seconds from the start of generate()
  std::vector<std::string> stop_strings;           // need Hooks::stop_when, since ids mean nothing here
  std::optional<int64_t> max_position_embeddings;  // of the model's config.json, top level only

  int64_t num_beams = 1;
  int64_t num_return_sequences = 1;
  EarlyStopping early_stopping = EarlyStopping::kNo;
  double length_penalty = 1.0;

  bool do_sample = false;
  uint64_t seed = 0;  // no field of transformers; see sampling.h
  double temperature = 1.0;
  int64_t top_k = 50;  // 0: off
  double top_p = 1.0;
  std::optional<double> min_p;
  double typical_p = 1.0;
  double epsilon_cutoff = 0.0;
  double eta_cutoff = 0.0;

  double repetition_penalty = 1.0;
  double encoder_repetition_penalty = 1.0;
  int64_t no_repeat_ngram_size = 0;
  int64_t encoder_no_repeat_ngram_size = 0;
  std::vector<std::vector<int64_t>> bad_words_ids;
  std::vector<SequenceBias> sequence_bias;
  std::vector<int64_t> suppress_tokens;
  std::vector<int64_t> begin_suppress_tokens;
  std::optional<int64_t> forced_bos_token_id;
  std::vector<int64_t> forced_eos_token_id;
  std::optional<ExponentialDecay> exponential_decay_length_penalty;
  bool remove_invalid_values = false;
  bool renormalize_logits = false;

  std::optional<int64_t> pad_token_id;  // absent: the first end token
  std::optional<int64_t> bos_token_id;
  std::vector<int64_t> eos_token_id;  // any of these ends a sequence
  // For the caller, who builds the prompt of an encoder-decoder model; generate() does not read it.
  std::optional<int64_t> decoder_start_token_id;

  bool output_scores = false;  // greedy and sampling: also sum the log-probabilities of the chosen tokens
};

// Throws Error(kUsage) for values that transformers refuses; returns one line for each value that the chosen
// mode does not use (transformers' "generation flags are not valid and may be ignored").
std::vector<std::string> check(const GenerationConfig& config);

// max_length and min_length once the prompt is known (transformers `_prepare_generated_length`).
struct Lengths {
  int64_t prompt = 0;
  int64_t max = 0;
  int64_t min = 0;
};

// Throws Error(kUsage) when the prompt leaves no room; appends to `warnings` what can not be fulfilled.
// `embedded`: see Prompts; the lengths do not count these positions.
Lengths resolve_lengths(const GenerationConfig& config, int64_t prompt_length,
                        std::vector<std::string>& warnings, int64_t embedded = 0);

}  // namespace vulcap::generate
