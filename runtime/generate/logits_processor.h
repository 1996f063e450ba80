// Changes to the scores of the next token, as the logits processors of transformers 4.57 make them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/generate/config.h"

namespace vulcap::generate {

class LogitsProcessor {
 public:
  virtual ~LogitsProcessor() = default;
  // row: which sequence of the batch (item * rows an item + beam). ids: all its tokens so far, prompt
  // included. scores: vocabulary-sized; logits, or log-probabilities in beam search. Changed in place.
  virtual void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) = 0;
};

using ProcessorList = std::vector<std::unique_ptr<LogitsProcessor>>;

struct ProcessorContext {
  int64_t vocab_size = 0;
  int64_t rows_per_item = 1;
  Lengths lengths;
  // transformers' `encoder_input_ids`, one an item: the encoder's text, or the prompt of a decoder-only
  // model. Empty when the input is no text (an image encoder): the encoder_* processors are then left out.
  std::span<const std::vector<int64_t>> encoder_ids;
  // The caller's own; they run after the standard ones and before the sampling ones. Not owned.
  std::span<LogitsProcessor* const> extra;
};

// In transformers' order. Throws Error(kUsage) for token ids that the vocabulary lacks.
ProcessorList build_processors(const GenerationConfig& config, const ProcessorContext& context);

inline void apply_all(const ProcessorList& processors, int64_t row, std::span<const int64_t> ids,
                      std::span<float> scores) {
  for (const auto& processor : processors) processor->apply(row, ids, scores);
}

}  // namespace vulcap::generate
