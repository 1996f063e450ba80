#include "loader/text_tasks/zero_shot.h"

#include <algorithm>

#include "runtime/core/error.h"

namespace vulcap::loader {

std::string fill_template(std::string_view hypothesis_template, std::string_view label) {
  std::string result;
  bool filled = false;
  for (std::string_view rest = hypothesis_template; !rest.empty();) {
    size_t taken = 1;
    if (rest.starts_with("{{") || rest.starts_with("}}")) {
      result += rest.front();
      taken = 2;
    } else if ((rest.starts_with("{}") && !filled) || rest.starts_with("{0}")) {
      result += label;
      taken = rest.starts_with("{}") ? 2 : 3;
      filled = true;
    } else if (rest.front() == '{' || rest.front() == '}') {
      filled = false;
      break;
    } else {
      result += rest.front();
    }
    rest.remove_prefix(taken);
  }
  if (filled) return result;
  throw core::Error(core::ErrorCode::kUsage, "the hypothesis template '" + std::string(hypothesis_template) +
                                                 "' needs one {} where the label goes, and no other braces");
}

std::vector<LabelScore> zero_shot_scores(const std::vector<std::string>& labels,
                                         std::span<const float> logits, size_t width,
                                         std::optional<size_t> entailment, bool multi_label) {
  const size_t yes = entailment.value_or(width - 1);
  const size_t no = yes == 0 ? width - 1 : 0;
  std::vector<float> scores;
  for (size_t i = 0; i < labels.size(); ++i) scores.push_back(logits[i * width + yes]);
  if (multi_label || labels.size() == 1) {
    for (size_t i = 0; i < labels.size(); ++i) {
      const float pair[] = {logits[i * width + no], scores[i]};
      scores[i] = softmax(pair)[1];
    }
  } else {
    scores = softmax(scores);
  }
  // The reference reverses an ascending order, so that of equal scores the later label stands first.
  std::vector<LabelScore> result;
  for (size_t i = labels.size(); i-- > 0;) result.push_back({labels[i], scores[i]});
  std::stable_sort(result.begin(), result.end(),
                   [](const LabelScore& a, const LabelScore& b) { return a.score > b.score; });
  return result;
}

}  // namespace vulcap::loader
