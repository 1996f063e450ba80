// Labels that the model was not trained on, by natural language inference: does the text entail "This example
// is {label}."? Follows transformers 4.57 ZeroShotClassificationPipeline.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/text_tasks/label_scores.h"

namespace vulcap::loader {

// Puts `label` in place of {} or {0}; {{ and }} stand for braces. Throws core::Error(kUsage) for a template
// without a place for the label or with another field.
std::string fill_template(std::string_view hypothesis_template, std::string_view label);

// `logits`: those of each label's pair, one row of `width` a label. `entailment`: its column, none: the last.
// One score a label: over the labels the scores sum to 1, or, with `multi_label` or a single label, each is
// entailment against contradiction. Best first.
std::vector<LabelScore> zero_shot_scores(const std::vector<std::string>& labels,
                                         std::span<const float> logits, size_t width,
                                         std::optional<size_t> entailment, bool multi_label);

}  // namespace vulcap::loader
