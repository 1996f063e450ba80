#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/task_command.h"
#include "loader/image/decode.h"
#include "loader/tasks/image_classifier.h"
#include "loader/tasks/pipeline_json.h"
#include "loader/tasks/text_classifier.h"
#include "loader/tasks/zero_shot_image_classifier.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct Options {
  TaskOptions task;
  std::string top_k;
  std::string function;
  std::string truncation;
  std::optional<size_t> max_length;
  std::string padding;
  std::string text_pair;
  size_t batch_size = 1;
  std::string labels;
  std::optional<std::string> hypothesis;  // none: the usual one of the model's kind
  bool multi_label = false;
  std::vector<std::string> choices;
};

std::string table(const std::vector<loader::LabelScore>& labels) {
  size_t width = 0;
  for (const auto& item : labels) width = std::max(width, item.label.size());
  std::string text;
  for (const auto& item : labels) {
    char score[32];
    std::snprintf(score, sizeof score, "%.6f", double(item.score));
    text += "  " + item.label + std::string(width - item.label.size() + 2, ' ') + score + "\n";
  }
  return text;
}

std::optional<size_t> top_k_of(const Options& options, size_t by_default) {
  if (options.top_k.empty()) return by_default;
  if (options.top_k == "all") return std::nullopt;
  size_t value = 0;
  const char* end = options.top_k.data() + options.top_k.size();
  if (std::from_chars(options.top_k.data(), end, value).ptr == end) return value;
  throw core::Error(core::ErrorCode::kUsage, "--top-k is a number or all, not '" + options.top_k + "'");
}

std::optional<loader::ScoreFunction> function_of(const Options& options) {
  if (options.function.empty()) return std::nullopt;
  return loader::score_function(options.function);
}

loader::TokenizeOptions tokenize_options(const Options& options) {
  loader::TokenizeOptions tokenize;
  tokenize.max_length = options.max_length;
  const char* by_default = options.max_length ? "true" : "false";
  tokenize.truncation =
      loader::truncation_named(options.truncation.empty() ? by_default : options.truncation);
  tokenize.pad_to_max_length = options.padding == "max_length";
  return tokenize;
}

int classify_texts(const Options& options, session::Device& device) {
  loader::TextClassifier classifier(options.task.model.model_dir(), device,
                                    options.task.model.load_options());
  const TaskReport report(classifier);
  loader::ClassifyOptions classify;
  classify.top_k =
      top_k_of(options, classifier.labels().return_all_scores ? classifier.labels().names.size() : 1);
  classify.function = function_of(options);
  classify.tokenize = tokenize_options(options);
  const std::vector<std::string> all = options.task.read_inputs();
  // The pipeline gives the best label of several texts without a list around each.
  const bool bare =
      options.task.format == "json" && options.top_k.empty() && classify.top_k == 1 && all.size() > 1;
  const auto answer = [&](std::span<const std::string> texts) {
    std::vector<loader::TextInput> inputs;
    for (const std::string& text : texts) inputs.push_back({text, options.text_pair});
    std::vector<TaskResult> results;
    for (const auto& labels : classifier.classify(inputs, classify, inputs.size()))
      results.push_back(
          {bare ? loader::labels_json(labels).at(0) : loader::labels_json(labels), table(labels)});
    return results;
  };
  return answer_all(options.task, all, options.batch_size, answer);
}

int classify_zero_shot(const Options& options, session::Device& device) {
  loader::TextClassifier classifier(options.task.model.model_dir(), device,
                                    options.task.model.load_options());
  const TaskReport report(classifier);
  const std::vector<std::string> labels = split_list(options.labels);
  loader::ZeroShotOptions zero_shot;
  zero_shot.multi_label = options.multi_label;
  if (options.hypothesis) zero_shot.hypothesis_template = *options.hypothesis;
  return answer_all(options.task, options.task.read_inputs(), 1, [&](std::span<const std::string> texts) {
    auto scores = classifier.classify_zero_shot(texts[0], labels, zero_shot, options.batch_size);
    const auto json = loader::zero_shot_json(texts[0], scores);
    const auto top_k = top_k_of(options, scores.size());
    if (top_k && *top_k < scores.size()) scores.resize(*top_k);
    return std::vector<TaskResult>{{json, table(scores)}};
  });
}

int choose(const Options& options, session::Device& device) {
  loader::ChoiceClassifier classifier(options.task.model.model_dir(), device,
                                      options.task.model.load_options());
  const TaskReport report(classifier);
  return answer_all(options.task, options.task.read_inputs(), 1, [&](std::span<const std::string> texts) {
    const auto logits = classifier.choose(texts[0], options.choices, tokenize_options(options));
    const auto ranked = loader::ranked(options.choices, logits, std::nullopt);
    return std::vector<TaskResult>{{loader::choice_json(logits), table(ranked)}};
  });
}

int classify_images(const Options& options, session::Device& device) {
  loader::ImageClassifier classifier(options.task.model.model_dir(), device,
                                     options.task.model.load_options());
  const TaskReport report(classifier);
  loader::ImageClassifyOptions classify;
  classify.top_k = top_k_of(options, classify.top_k).value_or(SIZE_MAX);
  classify.function = function_of(options);
  return answer_all(options.task, options.task.read_inputs(), 1, [&](std::span<const std::string> files) {
    const auto labels = classifier.classify(image::decode_file(files[0]), classify);
    return std::vector<TaskResult>{{loader::labels_json(labels), table(labels)}};
  });
}

int classify_images_zero_shot(const Options& options, session::Device& device) {
  const auto classifier = loader::load_zero_shot_image_classifier(options.task.model.model_dir(), device,
                                                                  options.task.model.load_options());
  const TaskReport report(*classifier);
  const std::vector<std::string> names = split_list(options.labels);
  return answer_all(options.task, options.task.read_inputs(), 1, [&](std::span<const std::string> files) {
    auto labels = classifier->classify(image::decode_file(files[0]), names,
                                       options.hypothesis.value_or(loader::kImageHypothesis));
    const auto top_k = top_k_of(options, labels.size());
    if (top_k && *top_k < labels.size()) labels.resize(*top_k);
    return std::vector<TaskResult>{{loader::labels_json(labels), table(labels)}};
  });
}

void refuse(bool given, const char* flag, const char* reason) {
  if (given) throw core::Error(core::ErrorCode::kUsage, std::string(flag) + " " + reason);
}

int run(const Options& options) {
  const std::filesystem::path dir = options.task.model.model_dir();
  const loader::LoadOptions load = options.task.model.load_options();
  if (loader::compares_images_with_texts(dir)) {
    refuse(options.labels.empty(), "--labels",
           "is needed: this model compares images with labels that you name");
    refuse(options.multi_label, "--multi-label", "needs a text classifier");
    const session::OpenedDevice opened = options.task.open();
    return classify_images_zero_shot(options, *opened.device);
  }
  const bool images = loader::ModelFiles(dir, load.dtype).find(loader::image_classifier_role()).has_value();
  const bool choices = !images && loader::is_choice_model(dir, load);
  refuse(choices && options.choices.empty(), "--choice",
         "is needed: this model judges choices; give two or more");
  refuse(!choices && !options.choices.empty(), "--choice", "needs a multiple-choice model");
  refuse((images || choices) && !options.labels.empty(), "--labels", "needs a text classifier");
  refuse(images && !options.text_pair.empty(), "--text-pair", "needs a text classifier");
  const session::OpenedDevice opened = options.task.open();
  if (images) return classify_images(options, *opened.device);
  if (choices) return choose(options, *opened.device);
  return options.labels.empty() ? classify_texts(options, *opened.device)
                                : classify_zero_shot(options, *opened.device);
}

void add_text_options(CLI::App& command, Options& options) {
  command.add_option(both_spellings("text-pair"), options.text_pair, "Second text of every pair");
  command.add_option("--truncation", options.truncation,
                     "What is cut from long texts: true, false, longest_first, only_first, only_second");
  command.add_option(both_spellings("max-length"), options.max_length,
                     "Tokens that stay; default: the tokenizer's model_max_length");
  command.add_option("--padding", options.padding, "max_length: pads every text to that length")
      ->check(CLI::IsMember({"true", "false", "longest", "max_length", "do_not_pad"}));
  command
      .add_option("-b," + both_spellings("batch-size"), options.batch_size,
                  "Texts that run together, padded to the longest")
      ->check(CLI::Range(1, 4096));
  command
      .add_option(
          both_spellings("labels") + "," + both_spellings("candidate-labels"), options.labels,
          "a,b,c: zero-shot classification into these labels, of texts by a model of natural language "
          "inference, of images by CLIP or SigLIP")
      ->group("Zero-shot");
  command
      .add_option(both_spellings("hypothesis-template"), options.hypothesis,
                  "What the model judges, {} is the label; default: \"This example is {}.\", for images "
                  "\"This is a photo of {}.\"")
      ->group("Zero-shot");
  command
      .add_flag(both_spellings("multi-label"), options.multi_label,
                "Labels are judged one by one, not against each other")
      ->group("Zero-shot");
  command
      .add_option("--choice", options.choices, "An answer to judge (repeat it); for multiple-choice models")
      ->group("Multiple choice")
      ->allow_extra_args(false);
}

}  // namespace

Command add_classify(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("classify", "Label texts or images, with scores");
  options->task.add_to(*command, "inputs", "Texts, or PNG and JPEG files where the model reads images");
  command->add_option(both_spellings("top-k"), options->top_k,
                      "Labels an input, a number or all; default: 1, for images 5");
  command
      ->add_option(both_spellings("function-to-apply"), options->function,
                   "softmax, sigmoid or none; default: as problem_type and the number of labels say")
      ->check(CLI::IsMember({"softmax", "sigmoid", "none"}, CLI::ignore_case));
  add_text_options(*command, *options);
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
