#include "loader/tasks/text_classifier.h"

#include "loader/text_tasks/zero_shot.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

TextGraph classifier_graph() { return {"text classifier (input_ids -> logits)", {{"logits", 2}}}; }
TextGraph choice_graph() { return {"judge of choices (input_ids -> logits)", {{"logits", 2}}, true}; }

}  // namespace

TextClassifier::TextClassifier(const std::filesystem::path& dir, session::Device& device,
                               const LoadOptions& options)
    : TextTask(dir, classifier_graph(), device, options),
      labels_(read_label_set(encoder_.config(), "text-classification", encoder_.config_path())) {}

std::vector<std::vector<LabelScore>> TextClassifier::classify(std::span<const TextInput> inputs,
                                                              const ClassifyOptions& options,
                                                              size_t batch_size) {
  std::vector<tokenizer::Encoding> rows;
  for (const TextInput& input : inputs)
    rows.push_back(std::move(encoder_.encode(input.text, input.pair, options.tokenize).front()));
  std::vector<std::vector<LabelScore>> results;
  for (const TextRow& row : encoder_.run(std::move(rows), batch_size)) {
    const auto& logits = row.output("logits").values;
    check_label_count(labels_, logits.size());
    const auto scores = apply_function(options.function.value_or(labels_.function), logits);
    results.push_back(ranked(labels_.names, scores, options.top_k));
  }
  return results;
}

std::vector<LabelScore> TextClassifier::classify_zero_shot(const std::string& text,
                                                           const std::vector<std::string>& labels,
                                                           const ZeroShotOptions& options,
                                                           size_t batch_size) {
  if (labels.empty()) throw core::Error(core::ErrorCode::kUsage, "zero-shot classification needs labels");
  guessed_entailment_ |= !labels_.entailment;
  // The hypothesis stays whole; a text too short to make room for it stays whole as well.
  const TokenizeOptions whole;
  TokenizeOptions cut;
  cut.truncation = tokenizer::TruncationStrategy::kOnlyFirst;
  std::vector<tokenizer::Encoding> rows;
  for (const std::string& label : labels) {
    const std::string hypothesis = fill_template(options.hypothesis_template, label);
    try {
      rows.push_back(std::move(encoder_.encode(text, hypothesis, cut).front()));
    } catch (const core::Error&) {
      rows.push_back(std::move(encoder_.encode(text, hypothesis, whole).front()));
    }
  }
  std::vector<float> logits;
  size_t width = 0;
  for (const TextRow& row : encoder_.run(std::move(rows), batch_size)) {
    const auto& values = row.output("logits").values;
    width = values.size();
    logits.insert(logits.end(), values.begin(), values.end());
  }
  return zero_shot_scores(labels, logits, width, labels_.entailment, options.multi_label);
}

std::vector<std::string> TextClassifier::warnings() const {
  std::vector<std::string> all = TextTask::warnings();
  if (guessed_entailment_)
    all.push_back(encoder_.config_path() +
                  ": no label begins with 'entail'; the last one is taken to say that a label holds");
  return all;
}

ChoiceClassifier::ChoiceClassifier(const std::filesystem::path& dir, session::Device& device,
                                   const LoadOptions& options)
    : TextTask(dir, choice_graph(), device, options) {}

std::vector<float> ChoiceClassifier::choose(const std::string& prompt,
                                            const std::vector<std::string>& choices,
                                            const TokenizeOptions& tokenize) {
  if (choices.empty()) throw core::Error(core::ErrorCode::kUsage, "there are no choices to judge");
  std::vector<tokenizer::Encoding> rows;
  for (const std::string& choice : choices)
    rows.push_back(std::move(encoder_.encode(prompt, choice, tokenize).front()));
  return encoder_.run_choices(std::move(rows)).at("logits").values;
}

bool is_choice_model(const std::filesystem::path& dir, const LoadOptions& options) {
  const ModelFiles files(dir, options.dtype);
  return files.find(choice_graph().role()) && !files.find(classifier_graph().role());
}

}  // namespace vulcap::loader
