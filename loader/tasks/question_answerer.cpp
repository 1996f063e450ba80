#include "loader/tasks/question_answerer.h"

#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

constexpr size_t kLongestWindow = 384;
constexpr size_t kLongestStride = 128;

void require(bool holds, const std::string& what) {
  if (!holds) throw core::Error(core::ErrorCode::kUsage, what);
}

}  // namespace

QuestionAnswerer::QuestionAnswerer(const std::filesystem::path& dir, session::Device& device,
                                   const LoadOptions& options)
    : TextTask(dir,
               {"question answerer (input_ids -> start_logits, end_logits)",
                {{"start_logits", 2}, {"end_logits", 2}}},
               device, options) {}

std::vector<Answer> QuestionAnswerer::answer(const std::string& question, const std::string& context,
                                             const QuestionOptions& options, size_t batch_size) {
  require(!question.empty(), "the question is empty");
  require(!context.empty(), "the context is empty");
  require(options.top_k > 0, "top_k must be at least 1");
  require(options.max_answer_len > 0, "max_answer_len must be at least 1");
  const tokenizer::Tokenizer& tokenizer = encoder_.tokenizer();
  const bool question_first = tokenizer.padding_side() == tokenizer::Side::kRight;
  TokenizeOptions tokenize;
  tokenize.max_length = options.max_seq_len.value_or(
      std::min(tokenizer.model_max_length().value_or(kLongestWindow), kLongestWindow));
  tokenize.stride = options.doc_stride.value_or(std::min(*tokenize.max_length / 2, kLongestStride));
  tokenize.truncation =
      question_first ? tokenizer::TruncationStrategy::kOnlySecond : tokenizer::TruncationStrategy::kOnlyFirst;
  require(*tokenize.stride <= *tokenize.max_length, "doc_stride " + std::to_string(*tokenize.stride) +
                                                        " is larger than max_seq_len " +
                                                        std::to_string(*tokenize.max_length));
  auto rows = question_first ? encoder_.encode(question, context, tokenize)
                             : encoder_.encode(context, question, tokenize);
  std::vector<AnswerWindow> windows;
  for (const TextRow& row : encoder_.run(std::move(rows), batch_size))
    windows.push_back(
        {row.encoding, row.token_output("start_logits").values, row.token_output("end_logits").values});
  const ContextTokens tokens{tokenizer.special_id("cls_token"), !question_first};
  return find_answers(windows, tokenizer::to_code_points(context), tokens, options);
}

}  // namespace vulcap::loader
