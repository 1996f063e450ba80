#include "apps/documentation/completion.h"

namespace vulcap::apps {
namespace {

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string command_names(const ProgramInfo& program) {
  std::vector<std::string> names;
  for (const CommandInfo& command : program.commands) names.push_back(command.name);
  return joined(names, " ");
}

std::string flag_names(const std::vector<FlagInfo>& flags) {
  std::vector<std::string> names;
  for (const FlagInfo& flag : flags) names.insert(names.end(), flag.names.begin(), flag.names.end());
  return joined(names, " ");
}

// What an argument without a flag chooses from.
std::string positional_choices(const CommandInfo& command) {
  for (const FlagInfo& flag : command.flags) {
    if (!flag.positional.empty() && !flag.choices.empty()) return joined(flag.choices, " ");
  }
  return "";
}

// The first sentence or clause, without what the shells' quoting would trip over.
std::string short_text(const std::string& description) {
  std::string text = description.substr(0, description.find(';'));
  std::string plain;
  for (const char c : text) {
    if (std::string_view("'\"`$\\[]:").find(c) == std::string_view::npos) plain += c;
  }
  return plain;
}

std::string bash_choices(const std::vector<FlagInfo>& flags, const std::string& prefix) {
  std::string text;
  for (const FlagInfo& flag : flags) {
    if (flag.choices.empty() || flag.names.empty()) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : flag.names) patterns.push_back(prefix + name);
    text += "    " + joined(patterns, "|") + ") words=\"" + joined(flag.choices, " ") + "\" ;;\n";
  }
  return text;
}

std::string bash_script(const ProgramInfo& program) {
  std::string text = "# bash completion of " + program.name + ": source it, or put it into\n" +
                     "# ~/.local/share/bash-completion/completions/" + program.name + "\n_" + program.name +
                     "() {\n"
                     "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n"
                     "  local command= index\n"
                     "  COMPREPLY=()\n"
                     "  # Readline splits --flag=value at the sign.\n"
                     "  if [[ $current == '=' ]]; then current=; elif [[ $previous == '=' ]]; then\n"
                     "    previous=${COMP_WORDS[COMP_CWORD-2]}\n"
                     "  fi\n"
                     "  for ((index = 1; index < COMP_CWORD; index++)); do\n"
                     "    [[ ${COMP_WORDS[index]} == -* ]] || { command=${COMP_WORDS[index]}; break; }\n"
                     "  done\n"
                     "  case $command:$previous in\n";
  text += bash_choices(program.flags, ":");
  for (const CommandInfo& command : program.commands) text += bash_choices(command.flags, command.name + ":");
  text += "  esac\n  if [[ -z $words ]]; then\n    case $command in\n      '') words=\"" +
          command_names(program) + " " + flag_names(program.flags) + "\" ;;\n";
  for (const CommandInfo& command : program.commands) {
    text += "      " + command.name + ") if [[ $current == -* ]]; then words=\"" + flag_names(command.flags) +
            "\"; else words=\"" + positional_choices(command) + "\"; fi ;;\n";
  }
  text +=
      "    esac\n  fi\n  [[ -n $words ]] && COMPREPLY=($(compgen -W \"$words\" -- "
      "\"$current\"))\n}\ncomplete -o "
      "default -o bashdefault -F _" +
      program.name + " " + program.name + "\n";
  return text;
}

std::string zsh_flag(const FlagInfo& flag) {
  std::string text;
  for (const std::string& name : flag.names) {
    text += " \\\n        '" + std::string(flag.repeatable ? "*" : "") + name + "[" +
            short_text(flag.description) + "]";
    if (!flag.value.empty()) {
      text += std::string(flag.optional_value ? "::" : ":") + "value:";
      text += flag.choices.empty() ? "_files" : "(" + joined(flag.choices, " ") + ")";
    }
    text += "'";
  }
  return text;
}

std::string zsh_script(const ProgramInfo& program) {
  std::string text = "#compdef " + program.name + "\n# zsh completion of " + program.name + ": put it as _" +
                     program.name + " into a folder of $fpath.\n_" + program.name +
                     "() {\n  local -a commands\n  commands=(\n";
  for (const CommandInfo& command : program.commands)
    text += "    '" + command.name + ":" + short_text(command.description) + "'\n";
  text += "  )\n  if ((CURRENT == 2)); then\n    _describe command commands\n    _arguments";
  for (const FlagInfo& flag : program.flags) text += zsh_flag(flag);
  text +=
      "\n    return\n  fi\n  local command=$words[2]\n  shift words\n  ((CURRENT--))\n  case $command in\n";
  for (const CommandInfo& command : program.commands) {
    text += "    " + command.name + ")\n      _arguments";
    for (const FlagInfo& flag : command.flags) text += zsh_flag(flag);
    const std::string words = positional_choices(command);
    text += " \\\n        '*:argument:" + (words.empty() ? "_files" : "(" + words + ")") + "'\n      ;;\n";
  }
  return text + "  esac\n}\nif [[ $funcstack[1] == _" + program.name + " ]]; then _" + program.name +
         " \"$@\"; else compdef _" + program.name + " " + program.name + "; fi\n";
}

std::string fish_flag(const std::string& begin, const FlagInfo& flag) {
  if (flag.names.empty()) return "";
  std::string text = begin;
  for (const std::string& name : flag.names)
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (!flag.value.empty() && !flag.optional_value) text += flag.choices.empty() ? " -r -F" : " -x";
  if (!flag.choices.empty()) text += " -a '" + joined(flag.choices, " ") + "'";
  return text + " -d '" + short_text(flag.description) + "'\n";
}

std::string fish_script(const ProgramInfo& program) {
  std::string text = "# fish completion of " + program.name + ": put it into ~/.config/fish/completions/" +
                     program.name + ".fish\n";
  const std::string begin = "complete -c " + program.name;
  for (const CommandInfo& command : program.commands) {
    text += begin + " -f -n __fish_use_subcommand -a " + command.name + " -d '" +
            short_text(command.description) + "'\n";
  }
  for (const FlagInfo& flag : program.flags) text += fish_flag(begin + " -n __fish_use_subcommand", flag);
  for (const CommandInfo& command : program.commands) {
    if (const std::string words = positional_choices(command); !words.empty())
      text += begin + " -f -n '__fish_seen_subcommand_from " + command.name + "' -a '" + words + "'\n";
    for (const FlagInfo& flag : command.flags)
      text += fish_flag(begin + " -n '__fish_seen_subcommand_from " + command.name + "'", flag);
  }
  return text;
}

}  // namespace

std::string completion_script(const ProgramInfo& program, const std::string& shell) {
  if (shell == "bash") return bash_script(program);
  return shell == "zsh" ? zsh_script(program) : fish_script(program);
}

}  // namespace vulcap::apps
