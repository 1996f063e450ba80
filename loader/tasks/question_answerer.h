// Question and context -> answers, spans of the context: the pipeline question-answering of transformers
// 4.57.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "loader/families/text_encoder.h"
#include "loader/text_tasks/answer_spans.h"

namespace vulcap::loader {

struct QuestionOptions : AnswerOptions {
  // Tokens of a window, question included; none: the smaller of 384 and the tokenizer's model_max_length.
  std::optional<size_t> max_seq_len;
  // Tokens that neighbouring windows share; none: the smaller of 128 and half a window.
  std::optional<size_t> doc_stride;
};

// A folder with a graph of start_logits and end_logits f[batch, length].
class QuestionAnswerer : public TextTask {
 public:
  QuestionAnswerer(const std::filesystem::path& dir, session::Device& device, const LoadOptions& options);

  // Best first, top_k of them at most. Throws core::Error: kUsage for an empty question or context, top_k or
  // max_answer_len of 0, a stride longer than the window; kRuntime for a question that fills the window.
  std::vector<Answer> answer(const std::string& question, const std::string& context,
                             const QuestionOptions& options, size_t batch_size = 1);
};

}  // namespace vulcap::loader
