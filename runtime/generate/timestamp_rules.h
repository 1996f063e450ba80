// Rules of time stamps in Whisper's transcriptions: WhisperTimeStampLogitsProcessor of transformers 4.57.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "runtime/generate/logits_processor.h"

namespace vulcap::generate {

// Time stamps are the ids from `no_timestamps` + 1 on. They come first and in pairs (except right before the
// end token), never decrease, and are taken where together they are likelier than any other token.
class TimestampRules : public LogitsProcessor {
 public:
  // `begin`: tokens of the prompt. `max_initial_index`: the latest first time stamp; none: any.
  TimestampRules(int64_t no_timestamps, int64_t eos, int64_t begin, std::optional<int64_t> max_initial_index)
      : no_timestamps_(no_timestamps), eos_(eos), begin_(begin), max_initial_index_(max_initial_index) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  void keep_pairs(std::span<const int64_t> ids, std::span<float> scores) const;
  void start_with_timestamp(std::span<float> scores) const;
  void prefer_timestamps(std::span<float> scores) const;

  int64_t no_timestamps_;
  int64_t eos_;
  int64_t begin_;
  std::optional<int64_t> max_initial_index_;
};

}  // namespace vulcap::generate
