// Logits -> labels with scores, as the classification pipelines of transformers 4.57 give them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::loader {

enum class ScoreFunction { kSoftmax, kSigmoid, kNone };

// "softmax", "sigmoid" or "none", in any case. Throws core::Error(kUsage).
ScoreFunction score_function(std::string_view name);

struct LabelScore {
  std::string label;
  float score = 0;
};

// What config.json says of a classifier's logits.
struct LabelSet {
  std::vector<std::string> names;                    // by index of the logit
  ScoreFunction function = ScoreFunction::kSoftmax;  // applied where the caller names none
  bool return_all_scores = false;                    // a call that asks for no top_k gets every label
  std::optional<size_t> entailment;                  // the label of natural language inference that says yes
};

// id2label, label2id, num_labels and problem_type as PretrainedConfig reads them: without id2label there are
// num_labels (or 2) labels "LABEL_0", ...; task_specific_params[task] goes over the rest. Throws
// core::Error(kInvalidModel) beginning with `where`.
LabelSet read_label_set(const nlohmann::json& config, const std::string& task, const std::string& where);

// Throws core::Error(kInvalidModel) where the graph scores more labels than `labels` names.
void check_label_count(const LabelSet& labels, size_t logits);

std::vector<float> softmax(std::span<const float> logits);
std::vector<float> apply_function(ScoreFunction function, std::span<const float> logits);

// Best first, equal ones in the order of the logits; top_k of them at most, none: all.
std::vector<LabelScore> ranked(const std::vector<std::string>& names, std::span<const float> scores,
                               std::optional<size_t> top_k);

}  // namespace vulcap::loader
