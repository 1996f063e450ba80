// Scores of tokens -> entities, as transformers 4.57 TokenClassificationPipeline joins them.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/tokenizer/tokenizer.h"

namespace vulcap::loader {

// What becomes one entity: every token by itself; neighbouring tokens of one kind; the same with words made
// to agree first, on the label of their first token, of their surest token, or of the mean scores.
enum class Aggregation { kNone, kSimple, kFirst, kAverage, kMax };

// "none", "simple", "first", "average" or "max". Throws core::Error(kUsage).
Aggregation aggregation_named(std::string_view name);

struct Entity {
  std::string label;  // "B-PER" of a token, "PER" of a group
  float score = 0;
  std::optional<size_t> index;  // of the token; none where tokens were joined
  std::string word;
  tokenizer::Span span;  // code points of the text
};

struct ScoredToken {
  std::string word;
  std::vector<float> scores;  // one a label, sum 1
  size_t index = 0;           // in the tokenised text
  tokenizer::Span span;
  bool is_subword = false;  // belongs to the word of the token before
};

// The tokens that stand for text. `logits`: one row of `labels` a token.
std::vector<ScoredToken> score_tokens(const tokenizer::Encoding& encoding, std::span<const float> logits,
                                      size_t labels, std::u32string_view text,
                                      const tokenizer::Tokenizer& tokenizer);

// How tokens become text: Tokenizer::join_tokens.
using JoinTokens = std::function<std::string(std::vector<std::string>)>;

std::vector<Entity> aggregate(const std::vector<ScoredToken>& tokens, Aggregation strategy,
                              const std::vector<std::string>& labels, const JoinTokens& join);

// Of entities that overlap, as neighbouring windows of a long text give them, the longest stays, then the one
// of the highest score.
std::vector<Entity> without_overlaps(std::vector<Entity> entities);

}  // namespace vulcap::loader
