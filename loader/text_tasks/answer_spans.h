// Start and end logits of windows -> answers, as transformers 4.57 QuestionAnsweringPipeline finds them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loader/tokenizer/encoding.h"

namespace vulcap::loader {

struct Answer {
  float score = 0;       // probability of the start times that of the end, summed over equal texts
  tokenizer::Span span;  // code points of the context
  std::string text;      // empty: there is no answer
};

struct AnswerOptions {
  size_t top_k = 1;
  size_t max_answer_len = 15;  // tokens
  bool handle_impossible_answer = false;
  bool align_to_words = true;
};

// One window of question and context with what the model says of it; logits: one a token.
struct AnswerWindow {
  tokenizer::Encoding encoding;
  std::vector<float> start_logits, end_logits;
};

// Which tokens of a window an answer may begin or end with.
struct ContextTokens {
  std::optional<std::uint32_t> cls;  // tokens of this id stand for "no answer"
  bool context_first = false;        // context before question, as for tokenizers that pad on the left
};

struct TokenSpan {
  size_t start = 0, end = 0;  // both inside
  float score = 0;
};

// The `count` best spans of at most `max_length` tokens whose start and end are `allowed`, best first; equal
// ones in the order of start, end. Spans of score 0 are left out.
std::vector<TokenSpan> best_spans(std::span<const float> start, std::span<const float> end,
                                  const std::vector<bool>& allowed, size_t count, size_t max_length);

// Best first. Of texts that differ in case alone the first found stays, with the sum of the scores; this is
// why another top_k, which looks at more spans, may have another winner.
std::vector<Answer> find_answers(const std::vector<AnswerWindow>& windows, std::u32string_view context,
                                 const ContextTokens& tokens, const AnswerOptions& options);

}  // namespace vulcap::loader
