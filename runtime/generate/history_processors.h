// Processors that look at the tokens so far: repetition, n-grams, biased and forbidden sequences.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/generate/logits_processor.h"

namespace vulcap::generate {

// Divides positive and multiplies negative scores of every token in `ids` by `penalty`, each token once.
// Throws Error(kRuntime) when an id is outside the vocabulary.
class TokenPenalty {
 public:
  TokenPenalty(double penalty, int64_t vocab_size);
  void apply(std::span<const int64_t> ids, std::span<float> scores);

 private:
  float penalty_;
  std::vector<bool> seen_;
};

// RepetitionPenaltyLogitsProcessor
class RepetitionPenalty : public LogitsProcessor {
 public:
  RepetitionPenalty(double penalty, int64_t vocab_size) : penalty_(penalty, vocab_size) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  TokenPenalty penalty_;
};

// EncoderRepetitionPenaltyLogitsProcessor
class EncoderRepetitionPenalty : public LogitsProcessor {
 public:
  EncoderRepetitionPenalty(double penalty, std::span<const std::vector<int64_t>> encoder_ids,
                           int64_t vocab_size);
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  TokenPenalty penalty_;
  std::vector<std::vector<int64_t>> encoder_ids_;
};

// NoRepeatNGramLogitsProcessor
class NoRepeatNGram : public LogitsProcessor {
 public:
  explicit NoRepeatNGram(int64_t size) : size_(size) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  int64_t size_;
};

// EncoderNoRepeatNGramLogitsProcessor
class EncoderNoRepeatNGram : public LogitsProcessor {
 public:
  EncoderNoRepeatNGram(int64_t size, std::span<const std::vector<int64_t>> encoder_ids, int64_t rows_per_item)
      : size_(size), rows_per_item_(rows_per_item), encoder_ids_(encoder_ids.begin(), encoder_ids.end()) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  int64_t size_;
  int64_t rows_per_item_;
  std::vector<std::vector<int64_t>> encoder_ids_;
};

// SequenceBiasLogitsProcessor. Of equal sequences the last one counts. Throws Error(kUsage) for ids outside
// the vocabulary; `name` is the config field to blame.
class BiasSequences : public LogitsProcessor {
 public:
  BiasSequences(std::vector<SequenceBias> biases, int64_t vocab_size, const char* name);
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  // All sequences with the same last token; their biases are summed before they meet the score.
  struct Target {
    int64_t token = 0;
    std::vector<SequenceBias> sequences;
  };
  std::vector<Target> targets_;
};

// NoBadWordsLogitsProcessor: a bias of minus infinity; a bad word that is just an end token is ignored.
std::vector<SequenceBias> forbid_sequences(std::span<const std::vector<int64_t>> bad_words,
                                           std::span<const int64_t> eos_token_id);

}  // namespace vulcap::generate
