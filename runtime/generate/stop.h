// When a sequence ends: maximum length, time, end tokens, the caller's own reason (transformers stopping
// criteria).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "runtime/generate/config.h"

namespace vulcap::generate {

class StopCriteria {
 public:
  using Predicate = std::function<bool(std::span<const int64_t> ids)>;

  // The clock of max_time starts here.
  StopCriteria(const GenerationConfig& config, int64_t max_length, Predicate stop_when);

  // Reads the clock; once a step, so that all rows agree.
  void begin_step();
  // ids: the whole sequence, at least one token.
  bool is_done(std::span<const int64_t> ids) const;
  // Whether length or time end every sequence of this length.
  bool is_exhausted(int64_t length) const { return length >= max_length_ || time_is_up_; }
  bool has_end_tokens() const { return !eos_token_id_.empty(); }

 private:
  int64_t max_length_;
  std::vector<int64_t> eos_token_id_;
  std::optional<double> max_time_;
  Predicate stop_when_;
  std::chrono::steady_clock::time_point start_;
  bool time_is_up_ = false;
};

}  // namespace vulcap::generate
