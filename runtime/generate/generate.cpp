#include "runtime/generate/generate.h"

#include <algorithm>
#include <string>

#include "runtime/core/error.h"
#include "runtime/generate/search.h"
#include "runtime/generate/softmax.h"

namespace vulcap::generate {
namespace {

constexpr std::size_t kMaxRows = 65536;

[[noreturn]] void refuse(const std::string& what) { throw core::Error(core::ErrorCode::kUsage, what); }

void check_prompts(const Prompts& prompts) {
  if (prompts.ids.empty()) refuse("there is no prompt to generate from");
  const std::size_t length = prompts.ids[0].size();
  if (length == 0 && prompts.embedded == 0) refuse("a prompt is empty: it needs at least a start token");
  for (const auto& ids : prompts.ids) {
    if (ids.size() != length) refuse("the prompts of a batch differ in length: pad them on the left");
  }
  if (!prompts.encoder_ids.empty() && prompts.encoder_ids.size() != prompts.ids.size()) {
    refuse("there must be as many encoder_ids as prompts, or none");
  }
}

void check_vocabulary(const GenerationConfig& config, int64_t vocab_size) {
  if (vocab_size < 1) throw core::Error(core::ErrorCode::kRuntime, "the model scores no tokens");
  const auto ends = static_cast<int64_t>(config.eos_token_id.size());
  if (config.num_beams > 1 && vocab_size < std::max<int64_t>(2, 1 + ends)) {
    refuse("beam search needs more tokens in the vocabulary than end tokens");
  }
}

void warn_about_missing_encoder_ids(const Prompts& prompts, const GenerationConfig& config,
                                    std::vector<std::string>& warnings) {
  if (!prompts.encoder_ids.empty()) return;
  const char* ignored = " needs text input to the encoder: it has no effect";
  if (config.encoder_repetition_penalty != 1.0)
    warnings.push_back(std::string("encoder_repetition_penalty") + ignored);
  if (config.encoder_no_repeat_ngram_size > 0)
    warnings.push_back(std::string("encoder_no_repeat_ngram_size") + ignored);
}

}  // namespace

Stepper::Stepper(const Search& search) : search_(search), places_(static_cast<std::size_t>(search.rows())) {}

void Stepper::run(std::span<const int64_t> ids, int64_t rows, int64_t length,
                  std::span<const int32_t> reorder) {
  output_ = search_.model.step(ids, static_cast<int>(rows), static_cast<int>(length), reorder);
  const int64_t wanted = rows * search_.model.vocab_size();
  if (static_cast<int64_t>(output_.size()) != wanted) {
    throw core::Error(core::ErrorCode::kRuntime, "the model returned " + std::to_string(output_.size()) +
                                                     " logits where " + std::to_string(wanted) +
                                                     " were expected");
  }
  last_rows_ = static_cast<int32_t>(rows);
}

void Stepper::prefill() {
  const int64_t sharing = search_.model.expands_prompt() ? search_.rows_per_item : 1;
  const int64_t rows = search_.rows() / sharing;
  std::vector<int64_t> ids;
  for (int64_t row = 0; row < rows; ++row) {
    const auto& prompt = search_.prompt_of(row * sharing);
    ids.insert(ids.end(), prompt.begin(), prompt.end());
  }
  for (std::size_t row = 0; row < places_.size(); ++row)
    places_[row] = static_cast<int32_t>(row) / static_cast<int32_t>(sharing);
  run(ids, rows, search_.lengths.prompt, {});
}

void Stepper::step(std::span<const Next> next) {
  std::vector<int64_t> ids;
  std::vector<int32_t> reorder;
  bool moves = static_cast<int32_t>(next.size()) != last_rows_;
  for (const Next& one : next) {
    ids.push_back(one.id);
    reorder.push_back(places_[static_cast<std::size_t>(one.from)]);
    moves = moves || reorder.back() + 1 != static_cast<int32_t>(reorder.size());
  }
  for (std::size_t i = 0; i < next.size(); ++i)
    places_[static_cast<std::size_t>(next[i].row)] = static_cast<int32_t>(i);
  run(ids, static_cast<int64_t>(ids.size()), 1,
      moves ? std::span<const int32_t>(reorder) : std::span<const int32_t>{});
}

std::span<const float> Stepper::logits(int64_t row) const {
  const auto vocab = static_cast<std::size_t>(search_.model.vocab_size());
  return output_.subspan(static_cast<std::size_t>(places_[static_cast<std::size_t>(row)]) * vocab, vocab);
}

void Stepper::require_no_nan(int64_t row) const {
  if (search_.config.remove_invalid_values || !has_nan(logits(row))) return;
  throw core::Error(
      core::ErrorCode::kRuntime,
      "the model's scores of the next token contain NaN: the output is unusable, try dtype f32");
}

std::vector<std::vector<Sequence>> generate(StepModel& model, const Prompts& prompts,
                                            const GenerationConfig& config, const Hooks& hooks) {
  check(config);
  check_prompts(prompts);
  check_vocabulary(config, model.vocab_size());
  if (!config.stop_strings.empty() && !hooks.stop_when) {
    refuse("stop_strings is set but this caller can not decode tokens: unset it");
  }
  std::vector<std::string> warnings;
  const Lengths lengths =
      resolve_lengths(config, static_cast<int64_t>(prompts.ids[0].size()), warnings, prompts.embedded);
  warn_about_missing_encoder_ids(prompts, config, warnings);
  if (hooks.on_warning) std::for_each(warnings.begin(), warnings.end(), hooks.on_warning);

  const int64_t rows_per_item = std::max(config.num_beams, config.num_return_sequences);
  if (prompts.ids.size() * static_cast<std::size_t>(rows_per_item) > kMaxRows) {
    refuse("too many sequences at once: batch size times beams must not exceed 65536");
  }
  ProcessorList processors = build_processors(config, {.vocab_size = model.vocab_size(),
                                                       .rows_per_item = rows_per_item,
                                                       .lengths = lengths,
                                                       .encoder_ids = prompts.encoder_ids,
                                                       .extra = hooks.processors});
  Search search{model,   prompts,       config,     hooks,
                lengths, rows_per_item, processors, StopCriteria(config, lengths.max, hooks.stop_when)};
  return config.num_beams > 1 ? search_beams(search) : search_tokens(search);
}

}  // namespace vulcap::generate
