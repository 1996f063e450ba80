#include "apps/documentation/manual.h"

#include "apps/documentation/exit_codes.h"

namespace vulcap::apps {
namespace {

// A hyphen that is typed, and what troff would read as its own.
std::string troff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += std::string("\\&") + c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string names_of(const FlagInfo& flag) {
  std::string text;
  for (const std::string& name : flag.names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? flag.positional : text;
}

std::string value_of(const FlagInfo& flag) {
  if (flag.value.empty() || flag.names.empty()) return "";
  return flag.optional_value ? "[" + flag.value + "]" : flag.value;
}

std::string remarks_of(const FlagInfo& flag) {
  std::string text;
  if (flag.required) text += " Required.";
  if (!flag.default_value.empty() && !flag.value.empty()) text += " Default: " + flag.default_value + ".";
  return text;
}

std::string explained(const FlagInfo& flag) {
  return (flag.description.empty() ? "As in transformers." : flag.description + ".") + remarks_of(flag);
}

std::string troff_flag(const FlagInfo& flag) {
  const std::string text = ".TP\n\\fB" + troff(names_of(flag)) + "\\fR \\fI" + troff(value_of(flag)) + "\\fR";
  return text + "\n" + troff(explained(flag)) + "\n";
}

std::string troff_lines(const std::string& text) { return ".nf\n" + troff(text) + "\n.fi\n"; }

std::string anchor(const std::string& group) { return group.empty() ? "Options" : group; }

std::string in_cell(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

}  // namespace

std::string manual_page(const ProgramInfo& program, const std::string& version) {
  std::string out =
      ".TH VULCAP 1 \"\" \"vulcap " + version + "\" \"User Commands\"\n.ad l\n.SH NAME\n" + program.name +
      " \\- captions images with ONNX vision\\-language models\n.SH SYNOPSIS\n.B " + program.name +
      "\n.I COMMAND\n.RI [ OPTIONS ]\n.SH DESCRIPTION\n" + troff(program.description) + "\n.SH OPTIONS\n";
  for (const FlagInfo& flag : program.flags) out += troff_flag(flag);
  out += ".SH COMMANDS\n";
  for (const CommandInfo& command : program.commands) {
    out += ".SS " + program.name + " " + troff(command.name) + "\n" + troff(command.description) + ".\n";
    for (const FlagInfo& flag : command.flags) out += troff_flag(flag);
    if (!command.footer.empty()) out += ".PP\n" + troff_lines(command.footer);
  }
  out += ".SH EXIT STATUS\n";
  for (const auto& [code, meaning] : kExitCodes)
    out += ".TP\n.B " + std::to_string(code) + "\n" + troff(meaning) + "\n";
  return out + ".SH ENVIRONMENT\n.TP\n.B VULCAP_ARG_FLAG\n" +
         troff("The value of a flag that is not given: VULCAP_ARG_NUM_BEAMS=4 for --num-beams 4.") +
         "\n.TP\n.B NO_COLOR, CLICOLOR_FORCE, TERM\nWhether messages are coloured.\n.TP\n.B "
         "HF_HUB_DISABLE_PROGRESS_BARS\nNo progress bars.\n.TP\n.B XDG_CACHE_HOME, XDG_CONFIG_HOME\nWhere "
         "compiled pipelines and the config file lie.\n.TP\n.B VULCAP_VK_VISIBLE_DEVICES, "
         "CUDA_VISIBLE_DEVICES\nWhich GPUs are used.\n.SH FILES\n.TP\n.I ~/.config/vulcap/config.toml\n" +
         troff(
             "Flags that are neither given nor in the environment: device = \"cpu\", for every subcommand, "
             "and "
             "under [caption] for that one.") +
         "\n";
}

std::string commands_markdown(const ProgramInfo& program) {
  std::string out;
  for (const CommandInfo& command : program.commands) {
    out += "\n## `" + program.name + " " + command.name + "`\n" + command.description + ".\n";
    if (!command.footer.empty()) out += "\n```\n" + command.footer + "\n```\n";
    for (const std::string& group : groups_of(command.flags)) {
      out += "\n| " + anchor(group) + " | |\n|---|---|\n";
      for (const FlagInfo& flag : command.flags) {
        if (flag.group != group) continue;
        const std::string value = value_of(flag);
        out += "| `" + in_cell(names_of(flag) + (value.empty() ? "" : " " + value)) + "` | " +
               in_cell(explained(flag)) + " |\n";
      }
    }
  }
  return out;
}

}  // namespace vulcap::apps
