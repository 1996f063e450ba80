#include "runtime/generate/token_processors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "runtime/core/error.h"
#include "runtime/generate/softmax.h"

namespace vulcap::generate {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

void require_in_vocabulary(std::span<const int64_t> tokens, int64_t vocab_size, const char* name) {
  for (const int64_t token : tokens) {
    if (token >= 0 && token < vocab_size) continue;
    throw core::Error(core::ErrorCode::kUsage, std::string(name) + " is " + std::to_string(token) +
                                                   ", but the vocabulary has " + std::to_string(vocab_size) +
                                                   " tokens");
  }
}

}  // namespace

void SuppressTokens::apply(int64_t, std::span<const int64_t> ids, std::span<float> scores) {
  const auto length = static_cast<int64_t>(ids.size());
  if (length < from_ || length >= until_) return;
  for (const int64_t token : tokens_) {
    if (token >= 0 && token < static_cast<int64_t>(scores.size())) {
      scores[static_cast<std::size_t>(token)] = kMinusInfinity;
    }
  }
}

ForceTokens::ForceTokens(std::vector<int64_t> tokens, int64_t length, int64_t vocab_size, const char* name)
    : tokens_(std::move(tokens)), length_(length) {
  require_in_vocabulary(tokens_, vocab_size, name);
}

void ForceTokens::apply(int64_t, std::span<const int64_t> ids, std::span<float> scores) {
  if (static_cast<int64_t>(ids.size()) != length_) return;
  std::fill(scores.begin(), scores.end(), kMinusInfinity);
  for (const int64_t token : tokens_) scores[static_cast<std::size_t>(token)] = 0.0F;
}

void RemoveInvalidValues::apply(int64_t, std::span<const int64_t>, std::span<float> scores) {
  constexpr float kMax = std::numeric_limits<float>::max();
  for (float& score : scores) score = std::isnan(score) ? 0.0F : std::clamp(score, -kMax, kMax);
}

DecayLengthPenalty::DecayLengthPenalty(ExponentialDecay decay, std::vector<int64_t> eos_token_id,
                                       int64_t prompt_length, int64_t vocab_size)
    : eos_token_id_(std::move(eos_token_id)), start_(decay.start + prompt_length), factor_(decay.factor) {
  require_in_vocabulary(eos_token_id_, vocab_size, "eos_token_id");
  std::sort(eos_token_id_.begin(), eos_token_id_.end());
  eos_token_id_.erase(std::unique(eos_token_id_.begin(), eos_token_id_.end()), eos_token_id_.end());
}

void DecayLengthPenalty::apply(int64_t, std::span<const int64_t> ids, std::span<float> scores) {
  const auto length = static_cast<int64_t>(ids.size());
  if (length <= start_) return;
  constexpr double kMax = std::numeric_limits<float>::max();
  const double growth = std::pow(factor_, static_cast<double>(length - start_)) - 1.0;
  const float factor = static_cast<float>(std::clamp(growth, -kMax, kMax));
  for (const int64_t token : eos_token_id_) {
    float& score = scores[static_cast<std::size_t>(token)];
    score += std::abs(score) * factor;
  }
}

void NormalizeLogits::apply(int64_t, std::span<const int64_t>, std::span<float> scores) {
  log_softmax(scores);
}

}  // namespace vulcap::generate
