// What the subcommands share that answer one input after another (classify, ner, qa, fill-mask): where
// inputs come from, how results are printed, what happens to an input that fails.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "apps/cli/log.h"
#include "apps/commands.h"

namespace vulcap::apps {

// "--top-k,--top_k": an argument of transformers in both spellings.
std::string both_spellings(const std::string& name);

// "a, b,c" -> {"a", "b", "c"}.
std::vector<std::string> split_list(const std::string& text);

struct TaskOptions {
  ModelOptions model;
  std::vector<std::string> inputs;  // "-": the lines of stdin
  std::string file;                 // an input a line
  std::string format = "text";

  // `what` names the positional argument: "texts".
  void add_to(CLI::App& command, const std::string& what, const std::string& description);
  // Arguments, then the lines of the file. Throws core::Error: kUsage without any, kRuntime for a file that
  // cannot be read.
  std::vector<std::string> read_inputs() const;
  session::OpenedDevice open() const { return model.open_for_user(); }
};

struct TaskResult {
  nlohmann::json json;       // as transformers' pipeline returns it for one input
  std::string text;          // lines for people, each ended
  bool shows_input = false;  // the text needs no input in front of it
};

// Calls `answer` with `batch` inputs at a time and prints what it returns: text (each under its input when
// there are several), json (the result of a single input by itself, else a list), jsonl ({"input", "result"}
// a line). An input with a core::Error(kRuntime) is reported, alone, and does not stop the others. Returns
// the exit code.
int answer_all(const TaskOptions& options, const std::vector<std::string>& inputs, size_t batch,
               const std::function<std::vector<TaskResult>(std::span<const std::string>)>& answer);

// Prints what a task object has to tell: files with --verbose, then, after each answer, warnings and
// fallbacks.
template <typename Task>
class TaskReport {
 public:
  explicit TaskReport(const Task& task) : task_(task) {
    for (const std::string& line : task.description()) log_detail(line);
    tell();
  }
  ~TaskReport() { tell(); }

 private:
  void tell() {
    remarks_.warn(task_.warnings());
    remarks_.tell(task_.fallbacks());
  }

  const Task& task_;
  Remarks remarks_;
};

}  // namespace vulcap::apps
