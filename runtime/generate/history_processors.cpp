#include "runtime/generate/history_processors.h"

#include <algorithm>
#include <limits>
#include <string>

#include "runtime/core/error.h"

namespace vulcap::generate {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Bans whatever follows, in `text`, the last `size - 1` tokens of `ids`.
void ban_continuations(std::span<const int64_t> text, std::span<const int64_t> ids, int64_t size,
                       std::span<float> scores) {
  const auto n = static_cast<std::size_t>(size);
  if (ids.size() + 1 < n || text.size() < n) return;
  const std::span<const int64_t> prefix = ids.last(n - 1);
  for (std::size_t start = 0; start + n <= text.size(); ++start) {
    if (!std::equal(prefix.begin(), prefix.end(), text.begin() + static_cast<std::ptrdiff_t>(start)))
      continue;
    const int64_t next = text[start + n - 1];
    if (next >= 0 && next < static_cast<int64_t>(scores.size()))
      scores[static_cast<std::size_t>(next)] = kMinusInfinity;
  }
}

bool completes(const std::vector<int64_t>& sequence, std::span<const int64_t> ids) {
  if (sequence.size() == 1) return true;
  if (sequence.size() > ids.size()) return false;  // transformers wants room for the whole sequence
  const auto prefix = ids.last(sequence.size() - 1);
  return std::equal(prefix.begin(), prefix.end(), sequence.begin());
}

}  // namespace

TokenPenalty::TokenPenalty(double penalty, int64_t vocab_size)
    : penalty_(static_cast<float>(penalty)), seen_(static_cast<std::size_t>(vocab_size), false) {}

void TokenPenalty::apply(std::span<const int64_t> ids, std::span<float> scores) {
  for (const int64_t id : ids) {
    if (id < 0 || id >= static_cast<int64_t>(scores.size())) {
      throw core::Error(core::ErrorCode::kRuntime, "a repetition penalty met token " + std::to_string(id) +
                                                       ", but the model scores only " +
                                                       std::to_string(scores.size()) +
                                                       " tokens: switch it off");
    }
  }
  for (const int64_t id : ids) {
    const auto token = static_cast<std::size_t>(id);
    if (seen_[token]) continue;
    seen_[token] = true;
    scores[token] = scores[token] < 0.0F ? scores[token] * penalty_ : scores[token] / penalty_;
  }
  for (const int64_t id : ids) seen_[static_cast<std::size_t>(id)] = false;
}

void RepetitionPenalty::apply(int64_t, std::span<const int64_t> ids, std::span<float> scores) {
  penalty_.apply(ids, scores);
}

EncoderRepetitionPenalty::EncoderRepetitionPenalty(double penalty,
                                                   std::span<const std::vector<int64_t>> encoder_ids,
                                                   int64_t vocab_size)
    : penalty_(1.0 / penalty, vocab_size), encoder_ids_(encoder_ids.begin(), encoder_ids.end()) {}

void EncoderRepetitionPenalty::apply(int64_t row, std::span<const int64_t>, std::span<float> scores) {
  // transformers does not repeat the encoder's ids for beams: row r meets item r, later rows nothing.
  if (row < static_cast<int64_t>(encoder_ids_.size())) {
    penalty_.apply(encoder_ids_[static_cast<std::size_t>(row)], scores);
  }
}

void NoRepeatNGram::apply(int64_t, std::span<const int64_t> ids, std::span<float> scores) {
  ban_continuations(ids, ids, size_, scores);
}

void EncoderNoRepeatNGram::apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) {
  ban_continuations(encoder_ids_[static_cast<std::size_t>(row / rows_per_item_)], ids, size_, scores);
}

BiasSequences::BiasSequences(std::vector<SequenceBias> biases, int64_t vocab_size, const char* name) {
  for (SequenceBias& bias : biases) {
    for (const int64_t id : bias.ids) {
      if (id >= 0 && id < vocab_size) continue;
      throw core::Error(core::ErrorCode::kUsage, std::string(name) + " names token " + std::to_string(id) +
                                                     ", but the vocabulary has " +
                                                     std::to_string(vocab_size));
    }
    const int64_t token = bias.ids.back();
    auto target =
        std::find_if(targets_.begin(), targets_.end(), [&](const Target& t) { return t.token == token; });
    if (target == targets_.end()) target = targets_.insert(targets_.end(), Target{token, {}});
    auto& sequences = target->sequences;
    auto same =
        std::find_if(sequences.begin(), sequences.end(), [&](const auto& s) { return s.ids == bias.ids; });
    if (same != sequences.end()) {
      same->bias = bias.bias;
    } else {
      sequences.push_back(std::move(bias));
    }
  }
  for (Target& target : targets_) {  // the bias of the token alone is added first
    std::stable_partition(target.sequences.begin(), target.sequences.end(),
                          [](const SequenceBias& s) { return s.ids.size() == 1; });
  }
}

void BiasSequences::apply(int64_t, std::span<const int64_t> ids, std::span<float> scores) {
  for (const Target& target : targets_) {
    float bias = 0.0F;
    for (const SequenceBias& sequence : target.sequences) {
      if (completes(sequence.ids, ids)) bias += sequence.bias;
    }
    scores[static_cast<std::size_t>(target.token)] += bias;
  }
}

std::vector<SequenceBias> forbid_sequences(std::span<const std::vector<int64_t>> bad_words,
                                           std::span<const int64_t> eos_token_id) {
  std::vector<SequenceBias> biases;
  for (const auto& ids : bad_words) {
    const bool ends =
        ids.size() == 1 && std::find(eos_token_id.begin(), eos_token_id.end(), ids[0]) != eos_token_id.end();
    if (!ends) biases.push_back({ids, kMinusInfinity});
  }
  return biases;
}

}  // namespace vulcap::generate
