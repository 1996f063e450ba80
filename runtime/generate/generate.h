// Turns prompts into sequences of token ids exactly as `generate` of transformers 4.57 does: greedy search,
// beam search, and sampling with or without beams. The model is behind StepModel; ids have no meaning here.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/generate/config.h"
#include "runtime/generate/logits_processor.h"

namespace vulcap::generate {

// A decoder with its cache.
class StepModel {
 public:
  virtual ~StepModel() = default;

  // Extends `rows` sequences by `length` tokens each and scores what comes next.
  // ids: rows * length, row-major; the whole prompts in the first call (which starts afresh; length 0 for
  // embedded ones), one id a row later. reorder: empty, or for each row the row of the previous call whose
  // cache it continues. Sequences that are finished leave: later calls may have fewer rows, and `reorder`
  // then names those that go on. Returns rows * vocab_size() logits of the last position, valid until the
  // next call. Errors pass through.
  virtual std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                                      std::span<const int32_t> reorder) = 0;
  virtual int vocab_size() const = 0;

  // true: the first call gets one row a batch item; the second call has the full number of rows (items *
  // beams) and its `reorder` names the prompt row that each continues. false: prompts are repeated from the
  // start.
  virtual bool expands_prompt() const { return false; }
};

struct Prompts {
  std::vector<std::vector<int64_t>> ids;  // one a batch item; equal lengths, at least 1 unless embedded > 0
  // transformers' `encoder_input_ids`, one a batch item; see ProcessorContext. Empty: there are none.
  std::vector<std::vector<int64_t>> encoder_ids;
  // Positions of each prompt that the model holds as embeddings (transformers' `inputs_embeds` without
  // `input_ids`): `ids` are then empty and sequences are new tokens alone, but max_length and min_length
  // count these positions. 0: the prompts are `ids`.
  int64_t embedded = 0;
  // Each item's sequences are those of a run of its own: padded to the item's longest one, drawn from the
  // first streams of random numbers, and ended when the item is done.
  bool independent = false;
};

struct Hooks {
  // Every new token of an unfinished sequence, the end token included. Not called in beam search.
  std::function<void(int row, int64_t id)> on_token;
  // Before on_token: the processed scores that the token was chosen by, one a token of the vocabulary.
  std::function<void(int row, int64_t id, std::span<const float> scores)> on_scores;
  // Further reason to end a sequence, asked after each token with the whole sequence; needed for
  // stop_strings.
  std::function<bool(std::span<const int64_t> ids)> stop_when;
  // Run after the standard processors and before those of sampling. Not owned.
  std::vector<LogitsProcessor*> processors;
  // Advice that does not stop the run, one line each.
  std::function<void(const std::string& line)> on_warning;
};

struct Sequence {
  // Prompt and generated tokens. As in transformers, all sequences of a call (of an item, where items are
  // independent) are padded to the longest one;
  // padding is pad_token_id. Beam search: the first end token when pad_token_id is absent or 0, -1 without
  // end tokens.
  std::vector<int64_t> ids;
  // How many of `ids` are not padding.
  int64_t length = 0;
  // Beam search: sequences_scores, that is the sum of log-probabilities / (new tokens ^ length_penalty).
  // Otherwise, with output_scores: the sum of log-probabilities of the new tokens.
  std::optional<float> score;
};

// Per batch item num_return_sequences sequences, best first in beam search.
// Throws Error(kUsage) for a config or prompts that can not be used, Error(kRuntime) for unusable logits.
std::vector<std::vector<Sequence>> generate(StepModel& model, const Prompts& prompts,
                                            const GenerationConfig& config, const Hooks& hooks = {});

}  // namespace vulcap::generate
