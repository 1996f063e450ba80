// Greedy search and sampling: one token a row and step (transformers `_sample`).
#include <algorithm>
#include <cmath>

#include "runtime/generate/sampling.h"
#include "runtime/generate/search.h"
#include "runtime/generate/softmax.h"

namespace vulcap::generate {
namespace {

constexpr int64_t kMaxReserved = 65536;

class TokenSearch {
 public:
  explicit TokenSearch(Search& search);
  std::vector<std::vector<Sequence>> run();

 private:
  struct Row {
    std::vector<int64_t> ids;
    int64_t length = 0;  // without padding, once finished
    float log_probability = 0.0F;
    bool finished = false;
    bool closed = false;  // takes no more tokens, not even padding
    Rng rng;
  };

  int64_t choose(int64_t row);
  void advance();
  void close_finished_items();
  bool goes_on(const Row& row) const { return !row.closed && !(row.finished && pads_); }

  Search& search_;
  Stepper stepper_;
  std::vector<Row> rows_;
  std::vector<Stepper::Next> next_;
  std::vector<float> scores_;
  std::vector<float> scratch_;
  int64_t padding_ = 0;
  // Without end tokens a sequence that stopped for another reason goes on, as in transformers.
  bool pads_ = true;
};

TokenSearch::TokenSearch(Search& search)
    : search_(search), stepper_(search), pads_(search.stop.has_end_tokens()) {
  const auto vocab = static_cast<std::size_t>(search.model.vocab_size());
  scores_.resize(vocab);
  scratch_.resize(vocab);
  const auto& ends = search.config.eos_token_id;
  padding_ = search.config.pad_token_id.value_or(ends.empty() ? 0 : ends[0]);
  for (int64_t row = 0; row < search.rows(); ++row) {
    const int64_t stream = search.prompts.independent ? row % search.rows_per_item : row;
    Row state{.ids = search.prompt_of(row), .rng = Rng(search.config.seed, static_cast<uint64_t>(stream))};
    state.ids.reserve(static_cast<std::size_t>(std::min(search.lengths.max, kMaxReserved)));
    rows_.push_back(std::move(state));
  }
}

int64_t TokenSearch::choose(int64_t row) {
  Row& state = rows_[static_cast<std::size_t>(row)];
  stepper_.require_no_nan(row);
  std::span<const float> scores = stepper_.logits(row);
  if (!search_.processors.empty()) {
    std::copy(scores.begin(), scores.end(), scores_.begin());
    apply_all(search_.processors, row, state.ids, scores_);
    scores = scores_;
  }
  const std::size_t token = search_.config.do_sample ? draw(scores, state.rng, scratch_) : argmax(scores);
  if (search_.hooks.on_scores && !state.finished)
    search_.hooks.on_scores(static_cast<int>(row), static_cast<int64_t>(token), scores);
  if (search_.config.output_scores && !state.finished) {
    std::copy(scores.begin(), scores.end(), scratch_.begin());
    log_softmax(scratch_);
    state.log_probability += scratch_[token];
  }
  return static_cast<int64_t>(token);
}

void TokenSearch::advance() {
  search_.stop.begin_step();
  next_.clear();
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    Row& state = rows_[row];
    if (state.closed) continue;
    const int64_t token = goes_on(state) ? choose(static_cast<int64_t>(row)) : padding_;
    state.ids.push_back(token);
    if (state.finished) continue;
    if (search_.hooks.on_token) search_.hooks.on_token(static_cast<int>(row), token);
    state.finished = search_.stop.is_done(state.ids);
    state.length = static_cast<int64_t>(state.ids.size());
  }
  close_finished_items();
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    const auto number = static_cast<int32_t>(row);
    if (goes_on(rows_[row])) next_.push_back({number, number, rows_[row].ids.back()});
  }
}

// Sequences that end together: those of an item where items are independent, else all.
void TokenSearch::close_finished_items() {
  const std::size_t together =
      search_.prompts.independent ? static_cast<std::size_t>(search_.rows_per_item) : rows_.size();
  for (std::size_t first = 0; first < rows_.size(); first += together) {
    const std::span<Row> rows = std::span(rows_).subspan(first, together);
    const bool done = std::all_of(rows.begin(), rows.end(), [](const Row& row) { return row.finished; });
    for (Row& row : rows) row.closed = done;
  }
}

std::vector<std::vector<Sequence>> TokenSearch::run() {
  stepper_.prefill();
  advance();
  while (!next_.empty()) {
    stepper_.step(next_);
    advance();
  }
  std::vector<std::vector<Sequence>> result(static_cast<std::size_t>(search_.items()));
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    Sequence sequence{.ids = std::move(rows_[row].ids), .length = rows_[row].length, .score = std::nullopt};
    if (search_.config.output_scores) sequence.score = rows_[row].log_probability;
    result[row / static_cast<std::size_t>(search_.rows_per_item)].push_back(std::move(sequence));
  }
  return result;
}

}  // namespace

std::vector<std::vector<Sequence>> search_tokens(Search& search) { return TokenSearch(search).run(); }

}  // namespace vulcap::generate
