// What greedy search, sampling and beam search share. Internal to runtime/generate.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/generate/generate.h"
#include "runtime/generate/stop.h"

namespace vulcap::generate {

// Everything about a run, resolved and checked by generate().
struct Search {
  StepModel& model;
  const Prompts& prompts;
  const GenerationConfig& config;
  const Hooks& hooks;
  Lengths lengths;
  int64_t rows_per_item;
  ProcessorList& processors;
  StopCriteria stop;

  int64_t items() const { return static_cast<int64_t>(prompts.ids.size()); }
  int64_t rows() const { return items() * rows_per_item; }
  const std::vector<int64_t>& prompt_of(int64_t row) const {
    return prompts.ids[static_cast<std::size_t>(row / rows_per_item)];
  }
};

// Feeds the model; hides whether it expands prompts itself and where the rows that go on lie in its calls.
class Stepper {
 public:
  explicit Stepper(const Search& search);

  // First call. Afterwards logits(row) is the output for any of search.rows() rows.
  void prefill();
  // One token for each row that goes on, in ascending order; the others leave for good.
  struct Next {
    int32_t row;   // of search.rows()
    int32_t from;  // the row that it continues
    int64_t id;
  };
  void step(std::span<const Next> next);
  // Of a row that took part in the last call.
  std::span<const float> logits(int64_t row) const;
  // Throws Error(kRuntime) when the logits of a row contain NaN, unless remove_invalid_values is set.
  // Processors may still make NaN of infinities; these count as the largest score, as in torch.
  void require_no_nan(int64_t row) const;

 private:
  void run(std::span<const int64_t> ids, int64_t rows, int64_t length, std::span<const int32_t> reorder);

  const Search& search_;
  std::span<const float> output_;
  std::vector<int32_t> places_;  // of each row in the last call
  int32_t last_rows_ = 0;        // of the last call
};

// One sequence a row, grouped by item.
std::vector<std::vector<Sequence>> search_tokens(Search& search);  // greedy, or sampling when do_sample
std::vector<std::vector<Sequence>> search_beams(Search& search);

}  // namespace vulcap::generate
