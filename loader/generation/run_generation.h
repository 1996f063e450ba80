// generate() with text: streaming, stop strings, times and decoded sequences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "loader/tokenizer/tokenizer.h"
#include "runtime/generate/generate.h"

namespace vulcap::loader {

// Seconds.
struct GenerationTiming {
  double prefill = 0;         // the first call: the prompt
  std::vector<double> steps;  // one a token
  std::vector<int> rows;      // that took part in each step
};

// One call of a decoder; generate::StepModel::step says what it takes and returns.
using DecoderStep = std::function<std::span<const float>(std::span<const int64_t> ids, int rows, int length,
                                                         std::span<const int32_t> reorder)>;

struct GenerationRun {
  DecoderStep step;
  int64_t vocab = 0;
  const tokenizer::Tokenizer* tokenizer = nullptr;
  // Pieces of the first row's new text as they come; not called in beam search. May be empty.
  std::function<void(const std::string&)> on_text;
  // Advice from generate(), one line each. May be empty.
  std::function<void(const std::string&)> on_warning;
  // Run after the standard processors and before those of sampling. Not owned.
  std::vector<generate::LogitsProcessor*> processors = {};
  bool expands_prompt = false;  // see generate::StepModel
  // See generate::Hooks.
  std::function<void(int row, int64_t id, std::span<const float> scores)> on_scores = {};
};

// Per prompt num_return_sequences sequences. Times are added to `timing`. Throws core::Error as generate()
// does.
std::vector<std::vector<generate::Sequence>> run_generation(const GenerationRun& run,
                                                            const generate::Prompts& prompts,
                                                            const generate::GenerationConfig& config,
                                                            GenerationTiming& timing);

}  // namespace vulcap::loader
