#include "loader/text_tasks/answer_spans.h"

#include <algorithm>

#include "loader/text_tasks/label_scores.h"
#include "loader/tokenizer/unicode.h"

namespace vulcap::loader {
namespace {

constexpr float kMasked = -10000.0f;  // logit of tokens outside the context
constexpr float kNoNullScore = 1e6f;

using tokenizer::Encoding;
using tokenizer::Span;

std::vector<bool> allowed_tokens(const Encoding& encoding, const ContextTokens& tokens) {
  std::vector<bool> allowed(encoding.size());
  for (size_t i = 0; i < encoding.size(); ++i) {
    // With the context in front the reference masks nothing.
    const bool in_context = tokens.context_first || encoding.sequence_ids[i] == 1;
    const bool is_cls = tokens.cls == encoding.ids[i];
    allowed[i] = (in_context || is_cls) && encoding.attention_mask[i] != 0;
  }
  return allowed;
}

std::vector<float> probabilities(std::vector<float> logits, const std::vector<bool>& allowed) {
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!allowed[i]) logits[i] = kMasked;
  }
  return softmax(logits);
}

// Characters of a word of the first or second text: from its first token to its last.
std::optional<Span> word_span(const Encoding& encoding, std::int32_t word, std::int32_t sequence) {
  std::optional<Span> span;
  for (size_t i = 0; i < encoding.size(); ++i) {
    if (encoding.word_ids[i] != word || encoding.sequence_ids[i] != sequence) continue;
    if (!span) span = encoding.offsets[i];
    span->end = encoding.offsets[i].end;
  }
  return span;
}

Span characters(const Encoding& encoding, const TokenSpan& tokens, std::int32_t sequence, bool align) {
  const Span plain{encoding.offsets[tokens.start].begin, encoding.offsets[tokens.end].end};
  const std::int32_t first = encoding.word_ids[tokens.start];
  const std::int32_t last = encoding.word_ids[tokens.end];
  if (!align || first < 0 || last < 0) return plain;
  const auto from = word_span(encoding, first, sequence);
  const auto to = word_span(encoding, last, sequence);
  return from && to ? Span{from->begin, to->end} : plain;
}

std::u32string lower(std::u32string_view text) {
  std::u32string result;
  for (const char32_t c : text) result += tokenizer::to_lower(c);
  return result;
}

class Answers {
 public:
  explicit Answers(std::u32string_view context) : context_(context) {}

  void add(Span span, float score) {
    std::u32string_view text;
    if (span.begin < span.end && span.begin < context_.size())
      text = context_.substr(span.begin, span.end - span.begin);
    const std::u32string key = lower(text);
    const auto same = std::find(keys_.begin(), keys_.end(), key);
    if (same != keys_.end()) {
      answers_[size_t(same - keys_.begin())].score += score;
      return;
    }
    keys_.push_back(key);
    answers_.push_back({score, span, tokenizer::to_utf8(text)});
  }

  std::vector<Answer>& all() { return answers_; }

 private:
  std::u32string_view context_;
  std::vector<std::u32string> keys_;
  std::vector<Answer> answers_;
};

void add_window(const AnswerWindow& window, const ContextTokens& tokens, const AnswerOptions& options,
                Answers& answers, float& null_score) {
  const Encoding& encoding = window.encoding;
  const std::vector<bool> allowed = allowed_tokens(encoding, tokens);
  std::vector<float> start = probabilities(window.start_logits, allowed);
  std::vector<float> end = probabilities(window.end_logits, allowed);
  null_score = std::min(null_score, start[0] * end[0]);
  start[0] = end[0] = 0;
  const size_t count = options.align_to_words ? options.top_k * 2 + 10 : options.top_k;
  for (const TokenSpan& span : best_spans(start, end, allowed, count, options.max_answer_len)) {
    answers.add(characters(encoding, span, tokens.context_first ? 0 : 1, options.align_to_words), span.score);
  }
}

}  // namespace

std::vector<TokenSpan> best_spans(std::span<const float> start, std::span<const float> end,
                                  const std::vector<bool>& allowed, size_t count, size_t max_length) {
  std::vector<TokenSpan> spans;
  const auto better = [](const TokenSpan& a, const TokenSpan& b) {
    return std::tuple(-a.score, a.start, a.end) < std::tuple(-b.score, b.start, b.end);
  };
  for (size_t s = 0; s < start.size(); ++s) {
    for (size_t e = s; allowed[s] && e < std::min(end.size(), s + max_length); ++e) {
      if (allowed[e] && start[s] * end[e] > 0) spans.push_back({s, e, start[s] * end[e]});
    }
  }
  const auto kept = spans.begin() + std::ptrdiff_t(std::min(count, spans.size()));
  std::partial_sort(spans.begin(), kept, spans.end(), better);
  spans.erase(kept, spans.end());
  return spans;
}

std::vector<Answer> find_answers(const std::vector<AnswerWindow>& windows, std::u32string_view context,
                                 const ContextTokens& tokens, const AnswerOptions& options) {
  Answers found(context);
  float null_score = kNoNullScore;
  for (const AnswerWindow& window : windows) add_window(window, tokens, options, found, null_score);
  std::vector<Answer>& answers = found.all();
  if (options.handle_impossible_answer) answers.push_back({null_score, {}, ""});
  if (answers.empty()) answers.push_back({});  // a context without text
  std::stable_sort(answers.begin(), answers.end(),
                   [](const Answer& a, const Answer& b) { return a.score > b.score; });
  if (answers.size() > options.top_k) answers.resize(options.top_k);
  return answers;
}

}  // namespace vulcap::loader
