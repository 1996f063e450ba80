#include "runtime/generate/logits_processor.h"

#include <limits>

#include "runtime/generate/history_processors.h"
#include "runtime/generate/sampling_processors.h"
#include "runtime/generate/token_processors.h"

namespace vulcap::generate {
namespace {

constexpr int64_t kAlways = std::numeric_limits<int64_t>::max();

template <typename Processor, typename... Args>
void add(ProcessorList& list, Args&&... args) {
  list.push_back(std::make_unique<Processor>(std::forward<Args>(args)...));
}

class Borrowed : public LogitsProcessor {
 public:
  explicit Borrowed(LogitsProcessor* processor) : processor_(processor) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override {
    processor_->apply(row, ids, scores);
  }

 private:
  LogitsProcessor* processor_;
};

void add_history_processors(ProcessorList& list, const GenerationConfig& c, const ProcessorContext& context) {
  const bool has_encoder_ids = !context.encoder_ids.empty();
  if (!c.sequence_bias.empty())
    add<BiasSequences>(list, c.sequence_bias, context.vocab_size, "sequence_bias");
  if (c.encoder_repetition_penalty != 1.0 && has_encoder_ids) {
    add<EncoderRepetitionPenalty>(list, c.encoder_repetition_penalty, context.encoder_ids,
                                  context.vocab_size);
  }
  if (c.repetition_penalty != 1.0) add<RepetitionPenalty>(list, c.repetition_penalty, context.vocab_size);
  if (c.no_repeat_ngram_size > 0) add<NoRepeatNGram>(list, c.no_repeat_ngram_size);
  if (c.encoder_no_repeat_ngram_size > 0 && has_encoder_ids) {
    add<EncoderNoRepeatNGram>(list, c.encoder_no_repeat_ngram_size, context.encoder_ids,
                              context.rows_per_item);
  }
  if (!c.bad_words_ids.empty()) {
    add<BiasSequences>(list, forbid_sequences(c.bad_words_ids, c.eos_token_id), context.vocab_size,
                       "bad_words_ids");
  }
}

void add_token_processors(ProcessorList& list, const GenerationConfig& c, const ProcessorContext& context) {
  const Lengths& lengths = context.lengths;
  if (!c.eos_token_id.empty() && lengths.min > 0) add<SuppressTokens>(list, c.eos_token_id, 0, lengths.min);
  if (c.forced_bos_token_id) {
    add<ForceTokens>(list, std::vector<int64_t>{*c.forced_bos_token_id}, 1, context.vocab_size,
                     "forced_bos_token_id");
  }
  if (!c.forced_eos_token_id.empty()) {
    add<ForceTokens>(list, c.forced_eos_token_id, lengths.max - 1, context.vocab_size, "forced_eos_token_id");
  }
  if (c.remove_invalid_values) add<RemoveInvalidValues>(list);
  if (c.exponential_decay_length_penalty && !c.eos_token_id.empty()) {
    add<DecayLengthPenalty>(list, *c.exponential_decay_length_penalty, c.eos_token_id, lengths.prompt,
                            context.vocab_size);
  }
  if (!c.suppress_tokens.empty()) add<SuppressTokens>(list, c.suppress_tokens, 0, kAlways);
  if (!c.begin_suppress_tokens.empty()) {
    const int64_t begin = lengths.prompt + (lengths.prompt <= 1 && c.forced_bos_token_id ? 1 : 0);
    add<SuppressTokens>(list, c.begin_suppress_tokens, begin, begin + 1);
  }
}

void add_sampling_processors(ProcessorList& list, const GenerationConfig& c) {
  // Beams need a token besides every end token to go on with.
  const int64_t ends = c.eos_token_id.empty() ? 1 : static_cast<int64_t>(c.eos_token_id.size());
  const int64_t keep = c.num_beams > 1 ? ends + 1 : 1;
  if (c.temperature != 1.0) add<Temperature>(list, c.temperature);
  if (c.top_k != 0) add<KeepTopK>(list, c.top_k, keep);
  if (c.top_p < 1.0) add<KeepTopP>(list, c.top_p, keep);
  if (c.min_p) add<KeepMinP>(list, *c.min_p, keep);
  if (c.typical_p < 1.0) add<KeepTypical>(list, c.typical_p, keep);
  using Cutoff = KeepAboveCutoff;
  if (c.epsilon_cutoff > 0.0 && c.epsilon_cutoff < 1.0) {
    add<Cutoff>(list, Cutoff::Kind::kEpsilon, c.epsilon_cutoff, keep);
  }
  if (c.eta_cutoff > 0.0 && c.eta_cutoff < 1.0) {
    add<Cutoff>(list, Cutoff::Kind::kEta, c.eta_cutoff, keep);
  }
}

}  // namespace

ProcessorList build_processors(const GenerationConfig& config, const ProcessorContext& context) {
  ProcessorList list;
  add_history_processors(list, config, context);
  add_token_processors(list, config, context);
  for (LogitsProcessor* extra : context.extra) add<Borrowed>(list, extra);
  if (config.do_sample) add_sampling_processors(list, config);
  if (config.renormalize_logits) add<NormalizeLogits>(list);
  return list;
}

}  // namespace vulcap::generate
