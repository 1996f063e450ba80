#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>

#include "apps/task_command.h"
#include "loader/tasks/pipeline_json.h"
#include "loader/tasks/token_classifier.h"

namespace vulcap::apps {
namespace {

struct Options {
  TaskOptions task;
  std::string aggregation = "none";
  std::string ignore_labels = "O";
  std::optional<size_t> max_length;
  std::optional<size_t> stride;
  size_t batch_size = 1;
};

std::string table(const std::vector<loader::Entity>& entities) {
  size_t width = 0;
  for (const auto& entity : entities) width = std::max(width, entity.label.size());
  std::string text;
  for (const auto& entity : entities) {
    char line[64];
    std::snprintf(line, sizeof line, "  %5u-%-5u  %.6f  ", entity.span.begin, entity.span.end,
                  double(entity.score));
    text += line + entity.label + std::string(width - entity.label.size() + 2, ' ') + entity.word + "\n";
  }
  return text;
}

int run(const Options& options) {
  loader::EntityOptions entities;
  entities.aggregation = loader::aggregation_named(options.aggregation);
  entities.ignore_labels = split_list(options.ignore_labels);
  entities.max_length = options.max_length;
  entities.stride = options.stride;
  const std::vector<std::string> texts = options.task.read_inputs();
  const session::OpenedDevice opened = options.task.open();
  loader::TokenClassifier classifier(options.task.model.model_dir(), *opened.device,
                                     options.task.model.load_options());
  const TaskReport report(classifier);
  return answer_all(options.task, texts, 1, [&](std::span<const std::string> one) {
    const auto found = classifier.find_entities(one[0], entities, options.batch_size);
    return std::vector<TaskResult>{{loader::entities_json(found), table(found)}};
  });
}

}  // namespace

Command add_ner(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("ner", "Find entities in texts, with places in code points");
  options->task.add_to(*command, "texts", "Texts");
  command
      ->add_option(both_spellings("aggregation-strategy"), options->aggregation,
                   "What becomes one entity: none (a token), simple (neighbours), first, average, max (words "
                   "that agree first)")
      ->capture_default_str();
  command
      ->add_option(both_spellings("ignore-labels"), options->ignore_labels, "a,b: labels left out; '': none")
      ->capture_default_str();
  command->add_option(both_spellings("max-length"), options->max_length,
                      "Tokens of a text, or of a window; default: the tokenizer's model_max_length");
  command->add_option("--stride", options->stride,
                      "Read long texts in windows that share so many tokens, instead of cutting them");
  command->add_option("-b," + both_spellings("batch-size"), options->batch_size, "Windows that run together")
      ->check(CLI::Range(1, 4096));
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
