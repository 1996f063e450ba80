#include "apps/documentation/help.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

#include "apps/cli/console.h"

namespace vulcap::apps {
namespace {

constexpr int kColumn = 30;  // where descriptions begin

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string value_of(const FlagInfo& flag) {
  if (flag.value.empty()) return "";
  // A long list of choices stands in the description.
  const std::string value = flag.value.size() > 24 ? "NAME" : flag.value;
  return flag.optional_value ? " [" + value + "]" : " " + value;
}

std::string described(const FlagInfo& flag) {
  std::string text = flag.description;
  if (flag.value.size() > 24) text += " " + flag.value;
  if (flag.required) text += " (required)";
  if (!flag.default_value.empty() && !flag.value.empty()) text += " [" + flag.default_value + "]";
  return text;
}

void add_row(std::string& out, const std::string& left, const std::string& right, int width) {
  std::string line = "  " + left;
  if (int(line.size()) + 2 > kColumn && !right.empty()) {
    out += line + "\n";
    line.clear();
  }
  if (!right.empty()) line.resize(size_t(kColumn), ' ');
  out += line + wrapped(right, kColumn, width) + "\n";
}

std::string usage_of(const CommandInfo& command) {
  std::string usage = command.name + " [OPTIONS]";
  for (const FlagInfo& flag : command.flags) {
    if (flag.positional.empty()) continue;
    const std::string name = flag.positional + (flag.repeatable ? "..." : "");
    usage += " " + (flag.required ? name : "[" + name + "]");
  }
  return usage;
}

}  // namespace

std::string wrapped(const std::string& text, int indent, int width) {
  std::string out;
  int column = indent;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const bool first = out.empty();
    if (!first && column + 1 + int(word.size()) > width) {
      out += "\n" + std::string(size_t(indent), ' ');
      column = indent;
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += int(word.size());
  }
  return out;
}

std::string command_help(const std::string& program, const CommandInfo& command, int width) {
  std::string out =
      wrapped(command.description, 0, width) + "\n\nUsage: " + program + " " + usage_of(command);
  out += "\n";
  for (const FlagInfo& flag : command.flags) {
    if (flag.positional.empty()) continue;
    out += "\n";
    add_row(out, flag.positional, described(flag), width);
  }
  for (const std::string& group : groups_of(command.flags)) {
    out += "\n" + group + ":\n";
    for (const FlagInfo& flag : command.flags) {
      if (flag.group == group && !flag.names.empty())
        add_row(out, joined(flag.names) + value_of(flag), described(flag), width);
    }
  }
  if (!command.footer.empty()) out += "\n" + command.footer + "\n";
  out += "\n" +
         wrapped(
             "A flag that is not given comes from VULCAP_ARG_<FLAG> (VULCAP_ARG_DEVICE=cpu), else from the "
             "config file (device = \"cpu\"; --config FILE, default ~/.config/vulcap/config.toml).",
             0, width) +
         "\n";
  return out;
}

std::string program_help(const ProgramInfo& program, int width) {
  std::string out =
      wrapped(program.description, 0, width) + "\n\nUsage: " + program.name + " COMMAND [OPTIONS]\n";
  for (const std::string& group : groups_of(program.commands)) {
    out += "\n" + group + ":\n";
    for (const CommandInfo& command : program.commands) {
      if (command.group == group) add_row(out, command.name, command.description, width);
    }
  }
  out += "\nOptions:\n";
  for (const FlagInfo& flag : program.flags)
    add_row(out, joined(flag.names) + value_of(flag), described(flag), width);
  return out + "\n" + program.footer + "\n";
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
  const int width = std::clamp(console().width(), 60, 100);
  if (app->get_parent() == nullptr) return program_help(describe(*app), width);
  return command_help(app->get_parent()->get_name(), describe_command(*app), width);
}

}  // namespace vulcap::apps
