#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "apps/task_command.h"
#include "loader/tasks/pipeline_json.h"
#include "loader/tasks/question_answerer.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct Options {
  TaskOptions task;
  std::string context;
  std::string context_file;
  loader::QuestionOptions question;
  size_t batch_size = 1;
};

std::string read_context(const Options& options) {
  if (options.context_file.empty()) return options.context;
  std::ifstream file(options.context_file, std::ios::binary);
  if (!file) throw core::Error(core::ErrorCode::kRuntime, options.context_file + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string lines(const std::vector<loader::Answer>& answers) {
  std::string text;
  for (const auto& answer : answers) {
    char place[64];
    std::snprintf(place, sizeof place, "  %.6f  %5u-%-5u  ", double(answer.score), answer.span.begin,
                  answer.span.end);
    text += place + (answer.text.empty() ? "(no answer)" : answer.text) + "\n";
  }
  return text;
}

int run(const Options& options) {
  const std::vector<std::string> questions = options.task.read_inputs();
  const std::string context = read_context(options);
  const session::OpenedDevice opened = options.task.open();
  loader::QuestionAnswerer answerer(options.task.model.model_dir(), *opened.device,
                                    options.task.model.load_options());
  const TaskReport report(answerer);
  return answer_all(options.task, questions, 1, [&](std::span<const std::string> one) {
    const auto answers = answerer.answer(one[0], context, options.question, options.batch_size);
    return std::vector<TaskResult>{{loader::answers_json(answers), lines(answers)}};
  });
}

}  // namespace

Command add_qa(CLI::App& app) {
  auto options = std::make_shared<Options>();
  loader::QuestionOptions& question = options->question;
  CLI::App* command = app.add_subcommand("qa", "Answer questions by spans of a text");
  options->task.add_to(*command, "questions", "Questions");
  CLI::Option* context =
      command->add_option("-c,--context", options->context, "The text that holds the answer");
  command->add_option(both_spellings("context-file"), options->context_file, "A file with that text")
      ->check(CLI::ExistingFile)
      ->excludes(context);
  command->add_option(both_spellings("top-k"), question.top_k, "Answers a question")->capture_default_str();
  command
      ->add_option(both_spellings("max-answer-len"), question.max_answer_len, "Tokens of an answer at most")
      ->capture_default_str();
  command->add_option(both_spellings("max-seq-len"), question.max_seq_len,
                      "Tokens of a window of question and text; default: model_max_length, at most 384");
  command->add_option(both_spellings("doc-stride"), question.doc_stride,
                      "Tokens that windows share; default: half a window, at most 128");
  command->add_flag(both_spellings("handle-impossible-answer"), question.handle_impossible_answer,
                    "Let 'no answer' be an answer");
  command->add_flag("--align-to-words,--align_to_words,!--no-align-to-words", question.align_to_words,
                    "Widen answers to whole words (default)");
  command->add_option("-b," + both_spellings("batch-size"), options->batch_size, "Windows that run together")
      ->check(CLI::Range(1, 4096));
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
