// Processors that depend on the length only: minimum length, forced and suppressed tokens, clean-up.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/generate/logits_processor.h"

namespace vulcap::generate {

// Sets `tokens` to minus infinity while the length lies in [from, until); ids outside the vocabulary are
// ignored. MinLength, MinNewTokensLength, SuppressTokens and SuppressTokensAtBegin are all this.
class SuppressTokens : public LogitsProcessor {
 public:
  SuppressTokens(std::vector<int64_t> tokens, int64_t from, int64_t until)
      : tokens_(std::move(tokens)), from_(from), until_(until) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  std::vector<int64_t> tokens_;
  int64_t from_;
  int64_t until_;
};

// At exactly `length` tokens: 0 for `tokens`, minus infinity for all others (ForcedBOSToken, ForcedEOSToken).
class ForceTokens : public LogitsProcessor {
 public:
  // Throws Error(kUsage) for ids outside the vocabulary; `name` is the config field to blame.
  ForceTokens(std::vector<int64_t> tokens, int64_t length, int64_t vocab_size, const char* name);
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  std::vector<int64_t> tokens_;
  int64_t length_;
};

// InfNanRemoveLogitsProcessor: NaN becomes 0, infinities the largest finite values.
class RemoveInvalidValues : public LogitsProcessor {
 public:
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;
};

// ExponentialDecayLengthPenalty
class DecayLengthPenalty : public LogitsProcessor {
 public:
  // Throws Error(kUsage) for end tokens outside the vocabulary.
  DecayLengthPenalty(ExponentialDecay decay, std::vector<int64_t> eos_token_id, int64_t prompt_length,
                     int64_t vocab_size);
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  std::vector<int64_t> eos_token_id_;
  int64_t start_;
  double factor_;
};

// LogitNormalization
class NormalizeLogits : public LogitsProcessor {
 public:
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;
};

}  // namespace vulcap::generate
