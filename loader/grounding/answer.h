// What a Florence-2 task answers: a text, or places in the image with labels.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace vulcap::grounding {

// The kinds of tasks_answer_post_processing_type of transformers' Florence2Processor.
enum class AnswerType {
  kPureText,
  kOcr,                   // quads
  kDescriptionWithBoxes,  // boxes
  kPhraseGrounding,       // boxes
  kBoxes,                 // boxes without labels
  kPolygons,              // polygons without labels
  kDescriptionWithPolygons,
  kDescriptionWithBoxesOrPolygons,
};

// Pixels of the image as it was decoded, x before y: left, top, right, bottom of a box; else x, y of each
// corner.
using Points = std::vector<int>;

struct Region {
  enum class Kind { kBox, kQuad, kPolygons };
  Kind kind = Kind::kBox;
  std::string label;
  std::vector<Points> shapes;  // one box, one quad, or the polygons that make up the region
};

struct Answer {
  std::string task;  // its token, "<OD>"
  AnswerType type = AnswerType::kPureText;
  std::string text;  // of kPureText
  std::vector<Region> regions;
  // Parts of the generated text that became no region, one line each.
  std::vector<std::string> remarks;
};

// The value that transformers' post_process_generation gives for the task: a string, or parallel lists named
// bboxes, quad_boxes, polygons and labels.
nlohmann::json reference_form(const Answer& answer);

// {"label": ..., "box" | "quad" | "polygons": ...}
nlohmann::json region_json(const Region& region);

// For people, one line a region: "car: box 33,141 596,330"; a text as it is.
std::vector<std::string> answer_lines(const Answer& answer);

}  // namespace vulcap::grounding
