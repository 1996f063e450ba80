#include "loader/grounding/tasks.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/core/error.h"

namespace vulcap::grounding {
namespace {

using nlohmann::json;

constexpr std::string_view kInput = "{input}";
constexpr const char* kWithoutInputs = "task_prompts_without_inputs";
constexpr const char* kWithInput = "task_prompts_with_input";
constexpr const char* kAnswers = "tasks_answer_post_processing_type";

constexpr std::pair<std::string_view, AnswerType> kAnswerNames[] = {
    {"pure_text", AnswerType::kPureText},
    {"ocr", AnswerType::kOcr},
    {"description_with_bboxes", AnswerType::kDescriptionWithBoxes},
    {"phrase_grounding", AnswerType::kPhraseGrounding},
    {"bboxes", AnswerType::kBoxes},
    {"polygons", AnswerType::kPolygons},
    {"description_with_polygons", AnswerType::kDescriptionWithPolygons},
    {"description_with_bboxes_or_polygons", AnswerType::kDescriptionWithBoxesOrPolygons},
};

std::vector<Task> reference_tasks() {
  using enum AnswerType;
  return {
      {"<OCR>", "What is the text in the image?", kPureText},
      {"<OCR_WITH_REGION>", "What is the text in the image, with regions?", kOcr},
      {"<CAPTION>", "What does the image describe?", kPureText},
      {"<DETAILED_CAPTION>", "Describe in detail what is shown in the image.", kPureText},
      {"<MORE_DETAILED_CAPTION>", "Describe with a paragraph what is shown in the image.", kPureText},
      {"<OD>", "Locate the objects with category name in the image.", kDescriptionWithBoxes},
      {"<DENSE_REGION_CAPTION>", "Locate the objects in the image, with their descriptions.",
       kDescriptionWithBoxes},
      {"<REGION_PROPOSAL>", "Locate the region proposals in the image.", kBoxes},
      {"<CAPTION_TO_PHRASE_GROUNDING>", "Locate the phrases in the caption: {input}", kPhraseGrounding},
      {"<REFERRING_EXPRESSION_SEGMENTATION>", "Locate {input} in the image with mask", kPolygons},
      {"<REGION_TO_SEGMENTATION>", "What is the polygon mask of region {input}", kPolygons},
      {"<OPEN_VOCABULARY_DETECTION>", "Locate {input} in the image.", kDescriptionWithBoxesOrPolygons},
      {"<REGION_TO_CATEGORY>", "What is the region {input}?", kPureText},
      {"<REGION_TO_DESCRIPTION>", "What does the region {input} describe?", kPureText},
      {"<REGION_TO_OCR>", "What text is in the region {input}?", kPureText},
  };
}

[[noreturn]] void refuse_file(const std::string& where, const std::string& what) {
  throw core::Error(core::ErrorCode::kInvalidModel, where + " " + what);
}

[[noreturn]] void refuse_usage(const std::string& what) { throw core::Error(core::ErrorCode::kUsage, what); }

// "<OCR_WITH_REGION>" -> "ocr-with-region"
std::string flag_name(std::string_view token) {
  std::string name;
  for (const char c : token) {
    if (c == '<' || c == '>') continue;
    name += c == '_' ? '-' : char(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

std::string replaced(std::string text, std::string_view part, std::string_view by) {
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += by.size())
    text.replace(at, part.size(), by);
  return text;
}

std::string trimmed(const std::string& text) {
  constexpr const char* kBlanks = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kBlanks);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

AnswerType read_answer_type(const json& value, const std::string& where) {
  std::string known;
  for (const auto& [name, type] : kAnswerNames) {
    if (value == std::string(name)) return type;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  refuse_file(where, "is " + value.dump() + "; known are " + known);
}

// What remains of a text beside the task's token is its input.
std::string input_beside(const Task& task, const std::string& text) {
  return trimmed(replaced(text, task.token, ""));
}

// The input as the prompt takes it.
std::string checked_input(const Task& task, const std::string& input, const ImageSize& size) {
  if (!task.takes_input() && !input.empty())
    refuse_usage("the task " + task.token + " takes no text, but '" + input + "' was given with -p");
  if (task.takes_input() && input.empty()) {
    refuse_usage("the task " + task.token + " needs " +
                 (task.takes_region() ? "a region, -p x1,y1,x2,y2 in pixels" : "a text, -p TEXT"));
  }
  return task.takes_region() ? region_tokens(input, size) : input;
}

}  // namespace

TaskTable::TaskTable() : tasks_(reference_tasks()) {}

const std::vector<std::string>& TaskTable::fields() {
  static const std::vector<std::string> names = {kWithoutInputs, kWithInput, kAnswers};
  return names;
}

// A task that a settings file adds is its own prompt and answers in pure text until it says otherwise.
Task& TaskTable::entry(const std::string& token) {
  const auto found =
      std::find_if(tasks_.begin(), tasks_.end(), [&](const Task& t) { return t.token == token; });
  return found != tasks_.end() ? *found : tasks_.emplace_back(Task{token, token, AnswerType::kPureText});
}

void TaskTable::read(const json& config, const std::string& file_name) {
  for (const std::string& field : fields()) {
    const auto table = config.find(field);
    if (table == config.end() || table->is_null()) continue;
    if (!table->is_object()) refuse_file(file_name + ": " + field, "must be an object");
    for (const auto& [token, value] : table->items()) {
      const std::string where = file_name + ": " + field + "." + token;
      if (token.empty() || !value.is_string()) refuse_file(where, "must be a string under a task's token");
      const bool has_input = value.get<std::string>().find(kInput) != std::string::npos;
      if (field == kAnswers) {
        entry(token).answer = read_answer_type(value, where);
      } else if (has_input != (field == kWithInput)) {
        refuse_file(where, has_input ? "holds {input} but takes none" : "lacks {input}");
      } else {
        entry(token).prompt = value.get<std::string>();
      }
    }
  }
  std::stable_partition(tasks_.begin(), tasks_.end(), [](const Task& task) { return !task.takes_input(); });
}

const Task& TaskTable::find(std::string_view name) const {
  std::string known;
  for (const Task& task : tasks_) {
    if (flag_name(task.token) == flag_name(name)) return task;
    known += (known.empty() ? "" : ", ") + flag_name(task.token);
  }
  refuse_usage("the task '" + std::string(name) + "' is not one of this model's: " + known);
}

const Task* TaskTable::task_in(std::string_view text) const {
  const auto found = std::find_if(tasks_.begin(), tasks_.end(), [&](const Task& task) {
    return text.find(task.token) != std::string_view::npos;
  });
  return found != tasks_.end() ? &*found : nullptr;
}

std::string TaskTable::construct_prompt(const std::string& text) const {
  const Task* task = task_in(text);
  if (task == nullptr) return text;
  if (task->takes_input()) return replaced(task->prompt, kInput, input_beside(*task, text));
  if (text != task->token) refuse_usage("the task token " + task->token + " must stand alone in the prompt");
  return task->prompt;
}

Request TaskTable::resolve(const std::string& task, const std::string& prompt, const ImageSize& size) const {
  const Task* named = task_in(prompt);
  if (!task.empty()) {
    const Task& chosen = find(task);
    if (named != nullptr && named != &chosen)
      refuse_usage("--task " + flag_name(chosen.token) + " and the prompt's " + named->token + " differ");
    named = &chosen;
  } else if (prompt.empty()) {
    named = &find("<CAPTION>");
  }
  if (named == nullptr) return {prompt, nullptr};
  return {construct_prompt(named->token + checked_input(*named, input_beside(*named, prompt), size)), named};
}

}  // namespace vulcap::grounding
