// Results of tasks as the JSON that the pipelines of transformers 4.57 return.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "loader/tasks/mask_filler.h"
#include "loader/text_tasks/answer_spans.h"
#include "loader/text_tasks/entities.h"
#include "loader/text_tasks/label_scores.h"

namespace vulcap::loader {

// [{"label", "score"}, ...]
nlohmann::json labels_json(const std::vector<LabelScore>& labels);
// {"sequence", "labels", "scores"}
nlohmann::json zero_shot_json(const std::string& text, const std::vector<LabelScore>& labels);
// [{"entity", "score", "index", "word", "start", "end"}, ...], or "entity_group" without "index".
nlohmann::json entities_json(const std::vector<Entity>& entities);
// {"score", "start", "end", "answer"}, a list of them unless there is one.
nlohmann::json answers_json(const std::vector<Answer>& answers);
// [{"score", "token", "token_str", "sequence"}, ...], a list of such lists for several masks.
nlohmann::json fills_json(const std::vector<std::vector<MaskFill>>& fills);
// {"logits", "choice"}; no pipeline, but what a multiple-choice model answers.
nlohmann::json choice_json(const std::vector<float>& logits);

}  // namespace vulcap::loader
