// Text -> labels with scores: the pipelines text-classification and zero-shot-classification of transformers
// 4.57, and multiple choice.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loader/families/text_encoder.h"
#include "loader/text_tasks/label_scores.h"

namespace vulcap::loader {

struct TextInput {
  std::string text;
  std::string pair;  // second segment; empty: none
};

struct ClassifyOptions {
  std::optional<ScoreFunction> function;  // none: as problem_type and the number of labels say
  std::optional<size_t> top_k = 1;        // none: all
  TokenizeOptions tokenize;
};

struct ZeroShotOptions {
  std::string hypothesis_template = "This example is {}.";
  bool multi_label = false;  // labels are judged one by one instead of against each other
};

// A folder with a graph of logits f[batch, labels].
class TextClassifier : public TextTask {
 public:
  TextClassifier(const std::filesystem::path& dir, session::Device& device, const LoadOptions& options);

  // One list a text, best first. Texts that run together (batch_size) are padded to the longest.
  std::vector<std::vector<LabelScore>> classify(std::span<const TextInput> inputs,
                                                const ClassifyOptions& options, size_t batch_size = 1);
  // A score for each of `labels`, best first. Throws core::Error(kUsage) for no labels or a template without
  // a place for them.
  std::vector<LabelScore> classify_zero_shot(const std::string& text, const std::vector<std::string>& labels,
                                             const ZeroShotOptions& options, size_t batch_size = 1);
  const LabelSet& labels() const { return labels_; }
  // Also that no label says "entailment", once it mattered.
  std::vector<std::string> warnings() const override;

 private:
  LabelSet labels_;
  bool guessed_entailment_ = false;
};

// A folder with a graph of input_ids i[batch, choices, length] -> logits f[batch, choices].
class ChoiceClassifier : public TextTask {
 public:
  ChoiceClassifier(const std::filesystem::path& dir, session::Device& device, const LoadOptions& options);

  // One logit a choice; the largest is the answer.
  std::vector<float> choose(const std::string& prompt, const std::vector<std::string>& choices,
                            const TokenizeOptions& tokenize = {});
};

// Whether the folder has a graph that ChoiceClassifier needs and none that TextClassifier needs.
bool is_choice_model(const std::filesystem::path& dir, const LoadOptions& options);

}  // namespace vulcap::loader
