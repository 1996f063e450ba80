// Beam search (transformers `_beam_search`): scores are float32 and "impossible" is -1e9 added to a score,
// both of which decide ties, so they are kept.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/generate/sampling.h"
#include "runtime/generate/search.h"
#include "runtime/generate/softmax.h"
#include "runtime/generate/top_k.h"

namespace vulcap::generate {
namespace {

constexpr float kImpossible = -1.0e9F;
constexpr int64_t kNoEndTokenFill = -1;

struct Beam {
  std::vector<int64_t> ids;
  float score = 0.0F;
};

// A slot of the result; unfinished ones hold the bare prompt.
struct Hypothesis {
  std::vector<int64_t> ids;
  float score = kImpossible;
  bool finished = false;
};

// A beam extended by one token.
struct Continuation {
  std::size_t beam = 0;
  int64_t token = 0;
  float score = 0.0F;
  bool stops = false;
};

struct Item {
  std::vector<Beam> beams;
  std::vector<Beam> next_beams;
  std::vector<Hypothesis> hypotheses;
  std::vector<Continuation> top;
  bool may_improve = true;
  bool settled = false;  // its hypotheses stay as they are
  Rng rng{0};
};

bool is_full(const Item& item) {
  return std::all_of(item.hypotheses.begin(), item.hypotheses.end(),
                     [](const Hypothesis& hypothesis) { return hypothesis.finished; });
}

bool all_stop(const Item& item) {
  return std::all_of(item.top.begin(), item.top.end(), [](const Continuation& next) { return next.stops; });
}

class BeamSearch {
 public:
  explicit BeamSearch(Search& search);
  std::vector<std::vector<Sequence>> run();

 private:
  void extend(std::size_t item);
  void find_candidates(Item& item, std::size_t first_row);
  void mark_stops(Item& item);
  void update_hypotheses(Item& item);
  void choose_next_beams(std::size_t item);
  void update_may_improve(Item& item) const;
  void settle(Item& item) const;
  bool goes_on() const;
  void step();
  float length_factor(int64_t new_tokens) const;
  std::vector<std::vector<Sequence>> results();

  Search& search_;
  Stepper stepper_;
  std::size_t beams_;
  std::size_t kept_;  // candidates an item and step: enough for `beams_` running ones whatever ends
  std::size_t vocab_;
  int64_t new_tokens_ = 0;
  std::vector<Item> items_;
  std::vector<float> scores_;        // beams * vocab of one item
  std::vector<Stepper::Next> next_;  // one a row
  std::vector<Stepper::Next> active_;
  std::vector<Candidate> candidates_;
  std::vector<float> merge_scores_;
  std::vector<Candidate> merge_order_;
};

BeamSearch::BeamSearch(Search& search)
    : search_(search),
      stepper_(search),
      beams_(static_cast<std::size_t>(search.config.num_beams)),
      kept_(std::max<std::size_t>(2, 1 + search.config.eos_token_id.size()) * beams_),
      vocab_(static_cast<std::size_t>(search.model.vocab_size())) {
  scores_.resize(beams_ * vocab_);
  next_.resize(static_cast<std::size_t>(search.rows()));
  for (std::size_t i = 0; i < search.prompts.ids.size(); ++i) {
    Item item;
    item.beams.assign(beams_, {search.prompts.ids[i], kImpossible});
    item.beams[0].score = 0.0F;  // the beams are equal at first: only one may count
    item.next_beams.resize(beams_);
    item.hypotheses.assign(beams_, {search.prompts.ids[i], kImpossible, false});
    item.rng = Rng(search.config.seed, search.prompts.independent ? 0 : i);
    items_.push_back(std::move(item));
  }
}

void BeamSearch::find_candidates(Item& item, std::size_t first_row) {
  for (std::size_t beam = 0; beam < beams_; ++beam) {
    const auto row = static_cast<int64_t>(first_row + beam);
    const std::span<float> scores = std::span(scores_).subspan(beam * vocab_, vocab_);
    stepper_.require_no_nan(row);
    const std::span<const float> logits = stepper_.logits(row);
    std::copy(logits.begin(), logits.end(), scores.begin());
    log_softmax(scores);
    apply_all(search_.processors, row, item.beams[beam].ids, scores);
    for (float& score : scores) score += item.beams[beam].score;
  }
  if (search_.config.do_sample) {
    draw_without_replacement(scores_, kept_, item.rng, candidates_);
  } else {
    top_k(scores_, kept_, candidates_);
  }
}

void BeamSearch::mark_stops(Item& item) {
  std::vector<int64_t> ids;
  for (Continuation& next : item.top) {
    ids = item.beams[next.beam].ids;
    ids.push_back(next.token);
    next.stops = search_.stop.is_done(ids);
  }
}

void BeamSearch::extend(std::size_t index) {
  Item& item = items_[index];
  item.top.clear();
  find_candidates(item, index * beams_);
  for (const Candidate& candidate : candidates_) {
    const auto flat = static_cast<std::size_t>(candidate.index);
    item.top.push_back({flat / vocab_, static_cast<int64_t>(flat % vocab_), candidate.score, false});
  }
  mark_stops(item);
}

float BeamSearch::length_factor(int64_t new_tokens) const {
  const double factor = std::pow(static_cast<double>(new_tokens), search_.config.length_penalty);
  constexpr double kMax = std::numeric_limits<float>::max();
  return factor > kMax ? std::numeric_limits<float>::infinity() : static_cast<float>(factor);
}

// Only the best `beams_` continuations may become hypotheses; the others are there to keep the search alive.
void BeamSearch::update_hypotheses(Item& item) {
  const bool closed = is_full(item) && search_.config.early_stopping == EarlyStopping::kYes;
  const float factor = length_factor(new_tokens_);
  merge_scores_.clear();
  for (const Hypothesis& hypothesis : item.hypotheses) merge_scores_.push_back(hypothesis.score);
  for (std::size_t rank = 0; rank < item.top.size(); ++rank) {
    float score = item.top[rank].score / factor;
    score += closed ? kImpossible : 0.0F;
    score += item.may_improve ? 0.0F : kImpossible;
    score += item.top[rank].stops && rank < beams_ ? 0.0F : kImpossible;
    merge_scores_.push_back(score);
  }
  top_k(merge_scores_, beams_, merge_order_);
  std::vector<Hypothesis> merged;
  for (const Candidate& chosen : merge_order_) {
    const auto at = static_cast<std::size_t>(chosen.index);
    if (at < beams_) {
      merged.push_back(std::move(item.hypotheses[at]));
      continue;
    }
    const Continuation& next = item.top[at - beams_];
    Hypothesis hypothesis{item.beams[next.beam].ids, chosen.score, next.stops && at - beams_ < beams_};
    hypothesis.ids.push_back(next.token);
    merged.push_back(std::move(hypothesis));
  }
  item.hypotheses = std::move(merged);
}

void BeamSearch::choose_next_beams(std::size_t index) {
  Item& item = items_[index];
  merge_scores_.clear();
  for (const Continuation& next : item.top)
    merge_scores_.push_back(next.score + (next.stops ? kImpossible : 0.0F));
  top_k(merge_scores_, beams_, merge_order_);
  for (std::size_t beam = 0; beam < beams_; ++beam) {
    const Continuation& next = item.top[static_cast<std::size_t>(merge_order_[beam].index)];
    Beam& target = item.next_beams[beam];
    target.ids = item.beams[next.beam].ids;
    target.ids.push_back(next.token);
    target.score = merge_order_[beam].score;
    const std::size_t row = index * beams_ + beam;
    next_[row] = {static_cast<int32_t>(row), static_cast<int32_t>(index * beams_ + next.beam), next.token};
  }
  std::swap(item.beams, item.next_beams);
}

void BeamSearch::update_may_improve(Item& item) const {
  const GenerationConfig& config = search_.config;
  const bool hopes_for_longest =
      config.early_stopping == EarlyStopping::kNever && config.length_penalty > 0.0;
  const int64_t length = hopes_for_longest ? search_.lengths.max - search_.lengths.prompt : new_tokens_;
  const float best_possible = item.beams[0].score / length_factor(length);
  float worst = item.hypotheses[0].score;
  for (const Hypothesis& hypothesis : item.hypotheses) worst = std::min(worst, hypothesis.score);
  const bool possible = std::any_of(item.hypotheses.begin(), item.hypotheses.end(), [&](const Hypothesis& h) {
    return best_possible > (h.finished ? worst : kImpossible);
  });
  item.may_improve = item.may_improve && possible;
}

// An item whose hypotheses no continuation can replace leaves the search. A search of its own ends sooner: as
// transformers ends it, which in a batch is a matter of all items.
void BeamSearch::settle(Item& item) const {
  const bool satisfied = search_.config.early_stopping == EarlyStopping::kYes && is_full(item);
  if (search_.prompts.independent) {
    item.settled = !item.may_improve || satisfied || all_stop(item);
  } else {
    // A decay may overflow to NaN, which ranks before all that was found.
    item.settled =
        !item.may_improve && is_full(item) && !search_.config.exponential_decay_length_penalty.has_value();
  }
}

bool BeamSearch::goes_on() const {
  const auto any = [&](auto&& holds) { return std::any_of(items_.begin(), items_.end(), holds); };
  if (search_.prompts.independent) return any([](const Item& item) { return !item.settled; });
  // In transformers those that left would go on to the limits.
  const bool exhausted =
      search_.stop.is_exhausted(static_cast<int64_t>(search_.prompts.ids[0].size()) + new_tokens_);
  const bool unsatisfied = search_.config.early_stopping != EarlyStopping::kYes ||
                           any([](const Item& item) { return !is_full(item); });
  return unsatisfied && any([](const Item& item) { return item.may_improve; }) &&
         any([&](const Item& item) { return item.settled ? !exhausted : !all_stop(item); });
}

void BeamSearch::step() {
  active_.clear();
  for (const Stepper::Next& next : next_) {
    if (!items_[static_cast<std::size_t>(next.row) / beams_].settled) active_.push_back(next);
  }
  stepper_.step(active_);
}

std::vector<std::vector<Sequence>> BeamSearch::results() {
  const GenerationConfig& config = search_.config;
  int64_t fill = kNoEndTokenFill;
  // transformers takes a padding id of 0 for "none" here.
  if (!config.eos_token_id.empty())
    fill = config.pad_token_id.value_or(0) != 0 ? *config.pad_token_id : config.eos_token_id[0];
  const auto wanted = static_cast<std::size_t>(config.num_return_sequences);
  std::vector<std::size_t> longest;
  for (const Item& item : items_) {
    longest.push_back(0);
    for (std::size_t i = 0; i < wanted; ++i)
      longest.back() = std::max(longest.back(), item.hypotheses[i].ids.size());
  }
  if (!search_.prompts.independent)
    longest.assign(items_.size(), *std::max_element(longest.begin(), longest.end()));
  std::vector<std::vector<Sequence>> result(items_.size());
  for (std::size_t i = 0; i < items_.size(); ++i) {
    for (std::size_t j = 0; j < wanted; ++j) {
      Hypothesis& hypothesis = items_[i].hypotheses[j];
      Sequence sequence{std::move(hypothesis.ids), 0, hypothesis.score};
      sequence.length = static_cast<int64_t>(sequence.ids.size());
      sequence.ids.resize(longest[i], fill);
      result[i].push_back(std::move(sequence));
    }
  }
  return result;
}

std::vector<std::vector<Sequence>> BeamSearch::run() {
  stepper_.prefill();
  for (;;) {
    search_.stop.begin_step();
    ++new_tokens_;
    for (std::size_t index = 0; index < items_.size(); ++index) {
      if (items_[index].settled) continue;
      extend(index);
      update_hypotheses(items_[index]);
      choose_next_beams(index);
      update_may_improve(items_[index]);
      settle(items_[index]);
    }
    if (!goes_on()) return results();
    step();
  }
}

}  // namespace

std::vector<std::vector<Sequence>> search_beams(Search& search) { return BeamSearch(search).run(); }

}  // namespace vulcap::generate
