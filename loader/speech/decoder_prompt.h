// The tokens that Whisper's decoder starts from: <|startofprev|> text before,
// <|startoftranscript|><|language|><|task|><|notimestamps|>. Follows WhisperGenerationMixin
// (_retrieve_init_tokens, _prepare_decoder_input_ids) and WhisperTokenizer.get_prompt_ids of
// transformers 4.57.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loader/speech/segments.h"
#include "loader/speech/transcription_config.h"
#include "loader/tokenizer/tokenizer.h"

namespace vulcap::speech {

// The tokens from <|startoftranscript|> on. `detect` is called where the language is open and the model has
// a table of languages. Throws core::Error: kUsage for a language or task that the model lacks (languages are
// listed), kInvalidModel for a file without the tables or tokens that are needed.
std::vector<int64_t> initial_tokens(const TranscriptionConfig& config, bool timestamps,
                                    const std::function<int64_t()>& detect);

// <|startofprev|> and the words of config.prompt; empty when there are none. Throws core::Error(kUsage) for a
// prompt with special tokens, kInvalidModel for a tokenizer without <|startofprev|>.
std::vector<int64_t> prompt_tokens(const TranscriptionConfig& config, const tokenizer::Tokenizer& tokenizer);

// What stands in front of the initial tokens.
struct PreviousText {
  std::span<const int64_t> prompt;    // prompt_tokens()
  std::span<const Segment> segments;  // of the windows before
  bool condition = false;             // on those segments
  int64_t timestamp_begin = 0;
  int64_t max_target_positions = 448;  // at most half of them hold text before
};
std::vector<int64_t> previous_tokens(const TranscriptionConfig& config, const PreviousText& previous);

}  // namespace vulcap::speech
