#include "runtime/generate/sampling_processors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/generate/softmax.h"

namespace vulcap::generate {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

}  // namespace

void Temperature::apply(int64_t, std::span<const int64_t>, std::span<float> scores) {
  for (float& score : scores) score /= temperature_;
}

void KeepTopK::apply(int64_t, std::span<const int64_t>, std::span<float> scores) {
  top_k(scores, k_, best_);
  const float last = best_.back().score;
  for (float& score : scores) {
    if (score < last) score = kMinusInfinity;
  }
}

void KeepTopP::apply(int64_t, std::span<const int64_t>, std::span<float> scores) {
  probabilities_.resize(scores.size());
  softmax(scores, probabilities_);
  order_.clear();
  for (std::size_t i = 0; i < scores.size(); ++i) order_.push_back({scores[i], static_cast<int64_t>(i)});
  sort_ascending(order_);
  const float limit = static_cast<float>(1.0 - p_);
  const auto removable = static_cast<int64_t>(order_.size()) - keep_;
  double cumulative = 0.0;
  for (int64_t i = 0; i < removable; ++i) {
    const auto token = static_cast<std::size_t>(order_[static_cast<std::size_t>(i)].index);
    cumulative += probabilities_[token];
    if (static_cast<float>(cumulative) > limit) break;
    scores[token] = kMinusInfinity;
  }
}

void KeepMinP::apply(int64_t, std::span<const int64_t>, std::span<float> scores) {
  probabilities_.resize(scores.size());
  softmax(scores, probabilities_);
  top_k(scores, keep_, best_);
  const float limit = static_cast<float>(p_) * probabilities_[static_cast<std::size_t>(best_.front().index)];
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!(probabilities_[i] < limit)) continue;
    const auto is_token = [&](const Candidate& c) { return c.index == static_cast<int64_t>(i); };
    if (std::none_of(best_.begin(), best_.end(), is_token)) scores[i] = kMinusInfinity;
  }
}

void KeepTypical::apply(int64_t, std::span<const int64_t>, std::span<float> scores) {
  log_probabilities_.assign(scores.begin(), scores.end());
  log_softmax(log_probabilities_);
  probabilities_.resize(scores.size());
  softmax(scores, probabilities_);
  double entropy = 0.0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (probabilities_[i] > 0.0F) entropy -= static_cast<double>(log_probabilities_[i]) * probabilities_[i];
  }
  order_.clear();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const float distance = std::abs(-log_probabilities_[i] - static_cast<float>(entropy));
    order_.push_back({distance, static_cast<int64_t>(i)});
  }
  sort_ascending(order_);
  double cumulative = 0.0;
  std::size_t last = 0;
  for (; last + 1 < order_.size(); ++last) {
    cumulative += probabilities_[static_cast<std::size_t>(order_[last].index)];
    if (!(static_cast<float>(cumulative) < static_cast<float>(mass_))) break;
  }
  const float limit = order_[last].score;
  for (auto i = static_cast<std::size_t>(keep_); i < order_.size(); ++i) {
    if (order_[i].score > limit) scores[static_cast<std::size_t>(order_[i].index)] = kMinusInfinity;
  }
}

float KeepAboveCutoff::threshold(std::span<const float> scores) const {
  if (kind_ == Kind::kEpsilon) return cutoff_;
  std::vector<float> log_probabilities(scores.begin(), scores.end());
  log_softmax(log_probabilities);
  double entropy = 0.0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (probabilities_[i] > 0.0F) entropy -= static_cast<double>(log_probabilities[i]) * probabilities_[i];
  }
  return std::min(cutoff_, std::sqrt(cutoff_) * std::exp(-static_cast<float>(entropy)));
}

void KeepAboveCutoff::apply(int64_t, std::span<const int64_t>, std::span<float> scores) {
  probabilities_.resize(scores.size());
  softmax(scores, probabilities_);
  const float limit = threshold(scores);
  top_k(scores, keep_, best_);
  const float last = best_.back().score;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (probabilities_[i] < limit && scores[i] < last) scores[i] = kMinusInfinity;
  }
}

}  // namespace vulcap::generate
