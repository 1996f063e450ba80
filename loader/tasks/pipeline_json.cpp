#include "loader/tasks/pipeline_json.h"

#include <algorithm>

namespace vulcap::loader {

using nlohmann::json;

json labels_json(const std::vector<LabelScore>& labels) {
  json result = json::array();
  for (const LabelScore& item : labels) result.push_back({{"label", item.label}, {"score", item.score}});
  return result;
}

json zero_shot_json(const std::string& text, const std::vector<LabelScore>& labels) {
  json result{{"sequence", text}, {"labels", json::array()}, {"scores", json::array()}};
  for (const LabelScore& item : labels) {
    result["labels"].push_back(item.label);
    result["scores"].push_back(item.score);
  }
  return result;
}

json entities_json(const std::vector<Entity>& entities) {
  json result = json::array();
  for (const Entity& entity : entities) {
    json item{{"score", entity.score},
              {"word", entity.word},
              {"start", entity.span.begin},
              {"end", entity.span.end}};
    item[entity.index ? "entity" : "entity_group"] = entity.label;
    if (entity.index) item["index"] = *entity.index;
    result.push_back(std::move(item));
  }
  return result;
}

json answers_json(const std::vector<Answer>& answers) {
  json result = json::array();
  for (const Answer& answer : answers)
    result.push_back({{"score", answer.score},
                      {"start", answer.span.begin},
                      {"end", answer.span.end},
                      {"answer", answer.text}});
  return result.size() == 1 ? result.front() : result;
}

json fills_json(const std::vector<std::vector<MaskFill>>& fills) {
  json result = json::array();
  for (const auto& mask : fills) {
    json list = json::array();
    for (const MaskFill& fill : mask)
      list.push_back({{"score", fill.score},
                      {"token", fill.token},
                      {"token_str", fill.token_text},
                      {"sequence", fill.sequence}});
    result.push_back(std::move(list));
  }
  return result.size() == 1 ? result.front() : result;
}

json choice_json(const std::vector<float>& logits) {
  return {{"logits", logits}, {"choice", std::max_element(logits.begin(), logits.end()) - logits.begin()}};
}

}  // namespace vulcap::loader
