#include "runtime/generate/config.h"

#include <algorithm>
#include <string>

#include "runtime/core/error.h"

namespace vulcap::generate {
namespace {

constexpr int64_t kMaxRowsPerItem = 1024;
constexpr int64_t kMaxTokens = int64_t{1} << 31;
constexpr int64_t kDefaultMaxLength = 20;

[[noreturn]] void refuse(const std::string& what) { throw core::Error(core::ErrorCode::kUsage, what); }

void require(bool ok, const std::string& what) {
  if (!ok) refuse(what);
}

void require_positive(double value, const char* name) {
  require(value > 0.0, std::string(name) + " is " + std::to_string(value) + ": it must be above 0");
}

void check_lengths(const GenerationConfig& c) {
  require(!c.max_new_tokens || *c.max_new_tokens > 0, "max_new_tokens must be greater than 0");
  for (const int64_t length :
       {c.max_length, c.max_new_tokens.value_or(0), c.min_length, c.min_new_tokens.value_or(0)}) {
    require(length >= -kMaxTokens && length <= kMaxTokens,
            "a generation length of " + std::to_string(length) + " is out of range: lengths go up to 2^31");
  }
}

void check_rows(const GenerationConfig& c) {
  require(c.num_beams >= 1 && c.num_beams <= kMaxRowsPerItem,
          "num_beams is " + std::to_string(c.num_beams) + ": it must be 1 to 1024");
  require(c.num_return_sequences >= 1 && c.num_return_sequences <= kMaxRowsPerItem,
          "num_return_sequences is " + std::to_string(c.num_return_sequences) + ": it must be 1 to 1024");
  if (c.num_beams > 1) {
    require(c.num_return_sequences <= c.num_beams,
            "num_return_sequences (" + std::to_string(c.num_return_sequences) +
                ") must not exceed num_beams (" + std::to_string(c.num_beams) + ")");
  } else {
    require(c.do_sample || c.num_return_sequences == 1,
            "num_return_sequences above 1 needs beams or sampling: set num_beams or do_sample");
  }
}

void check_processors(const GenerationConfig& c) {
  require_positive(c.repetition_penalty, "repetition_penalty");
  require_positive(c.encoder_repetition_penalty, "encoder_repetition_penalty");
  for (const auto& words : c.bad_words_ids) require(!words.empty(), "bad_words_ids has an empty entry");
  for (const auto& bias : c.sequence_bias)
    require(!bias.ids.empty(), "sequence_bias has an entry without ids");
}

void check_sampling(const GenerationConfig& c) {
  require(c.temperature > 0.0, "temperature must be above 0; for greedy decoding switch do_sample off");
  require(c.top_k >= 0, "top_k must not be negative");
  require(c.top_p >= 0.0, "top_p must not be negative");
  require(!c.min_p || (*c.min_p >= 0.0 && *c.min_p <= 1.0), "min_p must lie between 0 and 1");
  require_positive(c.typical_p, "typical_p");
}

std::string sampling_only(const char* name) {
  return std::string(name) + " is set but do_sample is off: it has no effect";
}

std::string beams_only(const char* name) {
  return std::string(name) + " is set but num_beams is 1: it has no effect";
}

}  // namespace

std::vector<std::string> check(const GenerationConfig& c) {
  check_lengths(c);
  check_rows(c);
  check_processors(c);
  std::vector<std::string> unused;
  if (c.do_sample) {
    check_sampling(c);
  } else {
    if (c.temperature != 1.0) unused.push_back(sampling_only("temperature"));
    if (c.top_p != 1.0) unused.push_back(sampling_only("top_p"));
    if (c.min_p) unused.push_back(sampling_only("min_p"));
    if (c.typical_p != 1.0) unused.push_back(sampling_only("typical_p"));
    if (c.top_k != 50 && c.top_k != 0) unused.push_back(sampling_only("top_k"));
    if (c.epsilon_cutoff != 0.0) unused.push_back(sampling_only("epsilon_cutoff"));
    if (c.eta_cutoff != 0.0) unused.push_back(sampling_only("eta_cutoff"));
  }
  if (c.num_beams == 1) {
    if (c.early_stopping != EarlyStopping::kNo) unused.push_back(beams_only("early_stopping"));
    if (c.length_penalty != 1.0) unused.push_back(beams_only("length_penalty"));
  }
  return unused;
}

Lengths resolve_lengths(const GenerationConfig& c, int64_t prompt, std::vector<std::string>& warnings,
                        int64_t embedded) {
  Lengths lengths{
      .prompt = prompt, .max = c.max_length - embedded, .min = std::max<int64_t>(c.min_length - embedded, 0)};
  if (c.max_new_tokens) {
    lengths.max = prompt + *c.max_new_tokens;
  } else if (embedded == 0 && !c.max_length_given && c.max_length == kDefaultMaxLength) {
    lengths.max += prompt;
    if (c.max_position_embeddings) lengths.max = std::min(lengths.max, *c.max_position_embeddings);
  }
  if (c.min_new_tokens) lengths.min = prompt + *c.min_new_tokens;
  if (prompt >= lengths.max) {
    refuse("the prompt has " + std::to_string(prompt + embedded) + " tokens but max_length is " +
           std::to_string(lengths.max + embedded) + ": raise max_length or set max_new_tokens");
  }
  if (lengths.min > lengths.max) {
    warnings.push_back("the minimum length " + std::to_string(lengths.min) + " exceeds the maximum length " +
                       std::to_string(lengths.max) + ": generation stops at the maximum");
  }
  return lengths;
}

}  // namespace vulcap::generate
