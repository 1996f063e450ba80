#include "loader/grounding/answer.h"

#include <nlohmann/json.hpp>

namespace vulcap::grounding {
namespace {

using nlohmann::json;

const char* kind_name(Region::Kind kind) {
  switch (kind) {
    case Region::Kind::kBox:
      return "box";
    case Region::Kind::kQuad:
      return "quad";
    default:
      return "polygons";
  }
}

// A box or quad is one list of numbers; polygons are a list of lists.
json shape_json(const Region& region) {
  return region.kind == Region::Kind::kPolygons ? json(region.shapes) : json(region.shapes.at(0));
}

void append(json& lists, const Region& region, const char* shapes, const char* labels) {
  lists[shapes].push_back(shape_json(region));
  lists[labels].push_back(region.label);
}

json empty_lists(const std::vector<const char*>& names) {
  json lists = json::object();
  for (const char* name : names) lists[name] = json::array();
  return lists;
}

json boxes_and_polygons(const Answer& answer) {
  json lists = empty_lists({"bboxes", "bboxes_labels", "polygons", "polygons_labels"});
  for (const Region& region : answer.regions) {
    const bool box = region.kind == Region::Kind::kBox;
    append(lists, region, box ? "bboxes" : "polygons", box ? "bboxes_labels" : "polygons_labels");
  }
  return lists;
}

std::string points_text(const Points& points) {
  std::string text;
  for (size_t i = 0; i + 1 < points.size(); i += 2)
    text += " " + std::to_string(points[i]) + "," + std::to_string(points[i + 1]);
  return text;
}

}  // namespace

json reference_form(const Answer& answer) {
  if (answer.type == AnswerType::kPureText) return answer.text;
  if (answer.type == AnswerType::kDescriptionWithBoxesOrPolygons) return boxes_and_polygons(answer);
  const char* shapes = "bboxes";
  if (answer.type == AnswerType::kOcr) shapes = "quad_boxes";
  if (answer.type == AnswerType::kPolygons || answer.type == AnswerType::kDescriptionWithPolygons)
    shapes = "polygons";
  json lists = empty_lists({shapes, "labels"});
  for (const Region& region : answer.regions) append(lists, region, shapes, "labels");
  return lists;
}

json region_json(const Region& region) {
  return {{"label", region.label}, {kind_name(region.kind), shape_json(region)}};
}

std::vector<std::string> answer_lines(const Answer& answer) {
  if (answer.type == AnswerType::kPureText) return {answer.text};
  std::vector<std::string> lines;
  for (const Region& region : answer.regions) {
    std::string line =
        (region.label.empty() ? "" : region.label + ": ") + std::string(kind_name(region.kind));
    for (size_t i = 0; i < region.shapes.size(); ++i)
      line += (i > 0 ? " |" : "") + points_text(region.shapes[i]);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace vulcap::grounding
