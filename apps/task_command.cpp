#include "apps/task_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

void read_lines(std::istream& stream, std::vector<std::string>& lines) {
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
  }
}

struct Answered {
  std::string input;
  TaskResult result;
  std::string error;  // empty when there is a result
};

using Answer = std::function<std::vector<TaskResult>(std::span<const std::string>)>;

// One by one where a batch fails, so that the failure is that of one input.
std::vector<Answered> answered(std::span<const std::string> inputs, const Answer& answer) {
  std::vector<Answered> all;
  try {
    std::vector<TaskResult> results = answer(inputs);
    for (size_t i = 0; i < inputs.size(); ++i) all.push_back({inputs[i], std::move(results.at(i)), ""});
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kRuntime) throw;
    if (inputs.size() == 1) return {{inputs[0], {}, error.message()}};
    for (size_t i = 0; i < inputs.size(); ++i) {
      std::vector<Answered> one = answered(inputs.subspan(i, 1), answer);
      std::move(one.begin(), one.end(), std::back_inserter(all));
    }
  }
  return all;
}

void print_text(const Answered& item, bool with_input) {
  if (!item.error.empty()) return;
  if (with_input && !item.result.shows_input) std::printf("%s\n", item.input.c_str());
  std::printf("%s", item.result.text.c_str());
}

nlohmann::json line_of(const Answered& item) {
  nlohmann::json line{{"input", item.input}};
  if (item.error.empty()) {
    line["result"] = item.result.json;
  } else {
    line["error"] = item.error;
  }
  return line;
}

}  // namespace

std::string both_spellings(const std::string& name) {
  std::string snake = name;
  std::replace(snake.begin(), snake.end(), '-', '_');
  return "--" + name + (snake == name ? "" : ",--" + snake);
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = CLI::detail::trim_copy(text.substr(begin, end - begin));
    if (!item.empty()) items.push_back(item);
    begin = end + 1;
  }
  return items;
}

void TaskOptions::add_to(CLI::App& command, const std::string& what, const std::string& description) {
  model.add_to(command);
  command.get_option("--model")->required()->description(
      "Model folder (config.json, tokenizer or preprocessor files, *.onnx or onnx/*.onnx)");
  command.add_option(what, inputs, description + "; -: a line each from stdin");
  command.add_option("-f,--file", file, "A file with an input a line")->check(CLI::ExistingFile);
  command
      .add_option("--format", format,
                  "text, json (as transformers' pipeline returns it) or jsonl (a line an input)")
      ->check(CLI::IsMember({"text", "json", "jsonl"}))
      ->capture_default_str();
}

std::vector<std::string> TaskOptions::read_inputs() const {
  std::vector<std::string> all;
  for (const std::string& input : inputs) {
    if (input == "-") {
      read_lines(std::cin, all);
    } else {
      all.push_back(input);
    }
  }
  if (!file.empty()) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) throw core::Error(core::ErrorCode::kRuntime, file + ": cannot be read");
    read_lines(stream, all);
  }
  if (all.empty()) throw core::Error(core::ErrorCode::kUsage, "no input; give one as argument, -f FILE or -");
  return all;
}

int answer_all(const TaskOptions& options, const std::vector<std::string>& inputs, size_t batch,
               const Answer& answer) {
  nlohmann::json all = nlohmann::json::array();
  bool failed = false;
  for (size_t begin = 0; begin < inputs.size(); begin += batch) {
    const size_t count = std::min(batch, inputs.size() - begin);
    for (const Answered& item : answered(std::span(inputs).subspan(begin, count), answer)) {
      failed |= !item.error.empty();
      if (!item.error.empty()) log_error(item.error);
      if (options.format == "text") print_text(item, inputs.size() > 1);
      if (options.format == "json")
        all.push_back(item.error.empty() ? item.result.json : nlohmann::json{{"error", item.error}});
      if (options.format == "jsonl") std::printf("%s\n", dumped(line_of(item)).c_str());
      std::fflush(stdout);
    }
  }
  if (options.format == "json")
    std::printf("%s\n", dumped(inputs.size() == 1 ? all.front() : all, 2).c_str());
  return failed ? int(core::ErrorCode::kRuntime) : 0;
}

}  // namespace vulcap::apps
