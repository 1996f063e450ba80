#include "runtime/generate/timestamp_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vulcap::generate {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Forbids the ids of [from, to), as far as there are such.
void forbid(std::span<float> scores, int64_t from, int64_t to) {
  const auto size = static_cast<int64_t>(scores.size());
  const int64_t begin = std::clamp<int64_t>(from, 0, size);
  const int64_t end = std::clamp<int64_t>(to, begin, size);
  std::fill(scores.begin() + begin, scores.begin() + end, kMinusInfinity);
}

// log(sum(exp)) with the scores' own maximum taken out.
double log_sum_exp(std::span<const float> scores) {
  if (scores.empty()) return kMinusInfinity;
  const double highest = *std::max_element(scores.begin(), scores.end());
  if (!std::isfinite(highest)) return highest;
  double sum = 0;
  for (const float score : scores) sum += std::exp(double(score) - highest);
  return highest + std::log(sum);
}

}  // namespace

void TimestampRules::apply(int64_t, std::span<const int64_t> ids, std::span<float> scores) {
  forbid(scores, no_timestamps_, no_timestamps_ + 1);
  const auto prompt = std::min(static_cast<std::size_t>(begin_), ids.size());
  keep_pairs(ids.subspan(prompt), scores);
  if (static_cast<int64_t>(ids.size()) == begin_) start_with_timestamp(scores);
  prefer_timestamps(scores);
}

void TimestampRules::keep_pairs(std::span<const int64_t> ids, std::span<float> scores) const {
  const int64_t first = no_timestamps_ + 1;
  const bool last = !ids.empty() && ids.back() >= first;
  const bool before = ids.size() < 2 || ids[ids.size() - 2] >= first;
  if (last && before) forbid(scores, first, static_cast<int64_t>(scores.size()));
  if (last && !before) forbid(scores, 0, eos_);
  const auto latest = std::find_if(ids.rbegin(), ids.rend(), [&](int64_t id) { return id >= first; });
  // The second stamp of a pair may repeat the first one; any other must be later.
  if (latest != ids.rend()) forbid(scores, first, *latest + (last && !before ? 0 : 1));
}

void TimestampRules::start_with_timestamp(std::span<float> scores) const {
  const int64_t first = no_timestamps_ + 1;
  forbid(scores, 0, first);
  if (max_initial_index_)
    forbid(scores, first + *max_initial_index_ + 1, static_cast<int64_t>(scores.size()));
}

void TimestampRules::prefer_timestamps(std::span<float> scores) const {
  const auto first = std::min(static_cast<std::size_t>(no_timestamps_ + 1), scores.size());
  const auto text = scores.first(first);
  const float best_text = text.empty() ? kMinusInfinity : *std::max_element(text.begin(), text.end());
  if (log_sum_exp(scores.subspan(first)) > best_text) forbid(scores, 0, static_cast<int64_t>(first));
}

}  // namespace vulcap::generate
