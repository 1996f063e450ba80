#include "runtime/generate/stop.h"

#include <algorithm>
#include <utility>

namespace vulcap::generate {

StopCriteria::StopCriteria(const GenerationConfig& config, int64_t max_length, Predicate stop_when)
    : max_length_(max_length),
      eos_token_id_(config.eos_token_id),
      max_time_(config.max_time),
      stop_when_(std::move(stop_when)),
      start_(std::chrono::steady_clock::now()) {}

void StopCriteria::begin_step() {
  if (!max_time_) return;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  time_is_up_ = elapsed.count() > *max_time_;
}

bool StopCriteria::is_done(std::span<const int64_t> ids) const {
  if (is_exhausted(static_cast<int64_t>(ids.size()))) return true;
  if (std::find(eos_token_id_.begin(), eos_token_id_.end(), ids.back()) != eos_token_id_.end()) return true;
  return stop_when_ && stop_when_(ids);
}

}  // namespace vulcap::generate
