// Arguments of a pipeline call, a case's "params", and comparing what came out. Internal to loader/verify.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "loader/families/text_encoder.h"
#include "loader/text_tasks/label_scores.h"
#include "loader/verify/verify.h"

namespace vulcap::loader {

// Each argument is asked for; check_all_taken() then finds those that nobody knows.
class PipelineParams {
 public:
  explicit PipelineParams(const nlohmann::json& item)
      : params_(item.value("params", nlohmann::json::object())) {}

  bool has(const std::string& name) const { return params_.contains(name); }  // null counts
  // None where it is absent or null.
  template <typename T>
  std::optional<T> get(const std::string& name) {
    taken_.insert(name);
    const auto found = params_.find(name);
    if (found == params_.end() || found->is_null()) return std::nullopt;
    return found->get<T>();
  }
  std::optional<ScoreFunction> function_to_apply();
  // truncation, max_length, padding
  TokenizeOptions tokenize();
  // Throws core::Error(kInvalidModel) naming the first argument that was not asked for.
  void check_all_taken() const;

 private:
  std::optional<std::string> text_of(const std::string& name);

  nlohmann::json params_;
  std::set<std::string> taken_;
};

// Numbers with a fraction within the case's atol + rtol * |expected|, everything else exactly. The first
// difference becomes the row's note.
void compare_result(const nlohmann::json& got, const nlohmann::json& item, VerifyRow& row);

}  // namespace vulcap::loader
