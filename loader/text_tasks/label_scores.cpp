#include "loader/text_tasks/label_scores.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

constexpr int64_t kMostLabels = 1'000'000;

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw core::Error(core::ErrorCode::kInvalidModel, where + ": " + what);
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return c < 128 ? char(std::tolower(c)) : char(c); });
  return result;
}

// {"0": "negative", "1": "positive"}; keys count from 0 without a gap.
std::vector<std::string> read_names(const nlohmann::json& id2label, const std::string& where) {
  if (!id2label.is_object() || id2label.empty()) fail(where, "id2label must be an object of index and label");
  std::map<size_t, std::string> by_id;
  for (const auto& [key, value] : id2label.items()) {
    size_t id = 0;
    const char* end = key.data() + key.size();
    if (std::from_chars(key.data(), end, id).ptr != end || key.empty())
      fail(where, "id2label has the key '" + key + "', which is no index");
    by_id[id] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  std::vector<std::string> names;
  for (auto& [id, name] : by_id) {
    if (id != names.size()) fail(where, "id2label lacks the index " + std::to_string(names.size()));
    names.push_back(std::move(name));
  }
  return names;
}

std::vector<std::string> default_names(const nlohmann::json& config, const std::string& where) {
  int64_t count = 2;
  if (const auto given = config.find("num_labels"); given != config.end() && !given->is_null())
    count = given->is_number_integer() ? given->get<int64_t>() : 0;
  if (count < 1 || count > kMostLabels) fail(where, "num_labels must be a number of labels");
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) names.push_back("LABEL_" + std::to_string(i));
  return names;
}

ScoreFunction default_function(const nlohmann::json& config, size_t labels, const std::string& where) {
  const auto type = config.find("problem_type");
  if (type != config.end() && !type->is_null()) {
    if (*type == "regression") return ScoreFunction::kNone;
    if (*type == "multi_label_classification") return ScoreFunction::kSigmoid;
    if (*type != "single_label_classification")
      fail(where, "problem_type " + type->dump() +
                      " is none of regression, single_label_classification and multi_label_classification");
  }
  return labels == 1 ? ScoreFunction::kSigmoid : ScoreFunction::kSoftmax;
}

std::optional<size_t> find_entailment(const nlohmann::json& config, const std::vector<std::string>& names) {
  if (const auto ids = config.find("label2id"); ids != config.end() && ids->is_object()) {
    for (const auto& [label, id] : ids->items()) {
      const bool known = id.is_number_integer() && id.get<uint64_t>() < names.size();
      if (known && lower(label).starts_with("entail")) return id.get<size_t>();
    }
    return std::nullopt;
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (lower(names[i]).starts_with("entail")) return i;
  }
  return std::nullopt;
}

}  // namespace

ScoreFunction score_function(std::string_view name) {
  const std::string wanted = lower(name);
  if (wanted == "softmax") return ScoreFunction::kSoftmax;
  if (wanted == "sigmoid") return ScoreFunction::kSigmoid;
  if (wanted == "none") return ScoreFunction::kNone;
  throw core::Error(core::ErrorCode::kUsage,
                    "function_to_apply is softmax, sigmoid or none, not '" + std::string(name) + "'");
}

LabelSet read_label_set(const nlohmann::json& config, const std::string& task, const std::string& where) {
  nlohmann::json settings = config;
  const nlohmann::json::json_pointer specific("/task_specific_params/" + task);
  if (config.contains(specific) && config[specific].is_object()) settings.update(config[specific]);
  LabelSet labels;
  const auto names = settings.find("id2label");
  const bool named = names != settings.end() && !names->is_null();
  labels.names = named ? read_names(*names, where) : default_names(settings, where);
  labels.function = default_function(settings, labels.names.size(), where);
  labels.return_all_scores = settings.value("return_all_scores", nlohmann::json(false)) == true;
  labels.entailment = find_entailment(settings, labels.names);
  return labels;
}

void check_label_count(const LabelSet& labels, size_t logits) {
  if (logits <= labels.names.size()) return;
  throw core::Error(core::ErrorCode::kInvalidModel,
                    "the graph scores " + std::to_string(logits) + " labels but config.json names " +
                        std::to_string(labels.names.size()) + "; complete id2label");
}

std::vector<float> softmax(std::span<const float> logits) {
  std::vector<float> result(logits.begin(), logits.end());
  if (result.empty()) return result;
  const float largest = *std::max_element(result.begin(), result.end());
  for (float& value : result) value = std::exp(value - largest);
  const float sum = std::accumulate(result.begin(), result.end(), 0.0f);
  for (float& value : result) value /= sum;
  return result;
}

std::vector<float> apply_function(ScoreFunction function, std::span<const float> logits) {
  if (function == ScoreFunction::kSoftmax) return softmax(logits);
  std::vector<float> result(logits.begin(), logits.end());
  if (function == ScoreFunction::kSigmoid) {
    for (float& value : result) value = 1.0f / (1.0f + std::exp(-value));
  }
  return result;
}

std::vector<LabelScore> ranked(const std::vector<std::string>& names, std::span<const float> scores,
                               std::optional<size_t> top_k) {
  std::vector<LabelScore> result;
  for (size_t i = 0; i < scores.size(); ++i) result.push_back({names.at(i), scores[i]});
  std::stable_sort(result.begin(), result.end(),
                   [](const LabelScore& a, const LabelScore& b) { return a.score > b.score; });
  if (top_k && *top_k < result.size()) result.resize(*top_k);
  return result;
}

}  // namespace vulcap::loader
