// The tasks of Florence-2: the prompt that stands for each task token, and what the answer holds. Tables and
// rules of transformers 4.57 Florence2Processor.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "loader/grounding/answer.h"
#include "loader/grounding/locations.h"

namespace vulcap::grounding {

struct Task {
  std::string token;   // "<OD>"
  std::string prompt;  // with "{input}" where the task takes one
  AnswerType answer = AnswerType::kPureText;

  bool takes_input() const { return prompt.find("{input}") != std::string::npos; }
  bool takes_region() const { return token.starts_with("<REGION_TO_"); }  // its input is a place in the image
};

// What a user asked for, resolved.
struct Request {
  std::string prompt;          // for the text encoder
  const Task* task = nullptr;  // null: a free prompt
};

class TaskTable {
 public:
  TaskTable();

  // task_prompts_without_inputs, task_prompts_with_input and tasks_answer_post_processing_type of a settings
  // file, over what is there. Throws core::Error(kInvalidModel) beginning with `file_name`.
  void read(const nlohmann::json& config, const std::string& file_name);
  // The names of the fields above.
  static const std::vector<std::string>& fields();

  // `name`: a token, with or without its brackets, in any case, "-" for "_". Throws core::Error(kUsage) with
  // the list of known tasks.
  const Task& find(std::string_view name) const;
  // Task tokens become prompts, other texts stay (_construct_prompts). Throws core::Error(kUsage) for a task
  // without input that has one.
  std::string construct_prompt(const std::string& text) const;
  // From --task and --prompt, either of which may be empty; the prompt may hold the task's token itself. Of
  // neither, a caption. Regions in pixels become tokens. Throws core::Error(kUsage) where they do not fit.
  Request resolve(const std::string& task, const std::string& prompt, const ImageSize& size) const;

 private:
  const Task* task_in(std::string_view text) const;
  Task& entry(const std::string& token);

  std::vector<Task> tasks_;  // those without input first, in the order in which they are looked for
};

}  // namespace vulcap::grounding
