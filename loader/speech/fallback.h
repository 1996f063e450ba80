// Whether a pass over a window is good enough: WhisperGenerationMixin._need_fallback of transformers 4.57.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/generate/logits_processor.h"

namespace vulcap::speech {

// Bytes of the ids against their bytes under zlib; an id takes as many bytes as the vocabulary needs.
double compression_ratio(std::span<const int64_t> ids, int64_t vocab);

// Sums the log-probabilities of the tokens that a pass takes, from the scores before temperature and
// sampling filters.
class LogProbabilities : public generate::LogitsProcessor {
 public:
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;
  // Once the pass is over; `ids`: all tokens. 0 for a pass of no steps.
  double mean(std::span<const int64_t> ids) const;

 private:
  std::vector<float> last_;  // log-probabilities of the latest step
  double sum_ = 0;           // of the steps before
  int64_t steps_ = 0;
};

}  // namespace vulcap::speech
