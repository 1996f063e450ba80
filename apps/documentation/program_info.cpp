#include "apps/documentation/program_info.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace vulcap::apps {
namespace {

// "TEXT:{a,b}" -> {"a", "b"}.
std::vector<std::string> choices_of(const std::string& type) {
  const size_t begin = type.find('{');
  const size_t end = type.rfind('}');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  return CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',');
}

// transformers' names in kebab-case stand for both spellings.
bool is_snake_twin(const std::string& name, const std::vector<std::string>& all) {
  std::string kebab = name;
  std::replace(kebab.begin(), kebab.end(), '_', '-');
  return kebab != name && std::find(all.begin(), all.end(), kebab) != all.end();
}

FlagInfo describe_flag(const CLI::Option& option) {
  FlagInfo flag;
  for (const std::string& name : option.get_snames()) flag.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) {
    if (!is_snake_twin(name, option.get_lnames())) flag.names.push_back("--" + name);
  }
  if (option.get_positional()) flag.positional = option.get_name(true, false);
  const std::string type = option.get_type_name();
  if (option.get_type_size() != 0) {
    flag.choices = choices_of(type);
    flag.value = flag.choices.empty() ? type.substr(0, type.find(':')) : type.substr(type.find('{'));
    if (flag.value.empty() && option.get_expected_min() > 0) flag.value = "TEXT";
  }
  flag.description = option.get_description();
  flag.default_value = option.get_default_str();
  flag.group = option.get_group();
  flag.required = option.get_required();
  flag.optional_value = !flag.value.empty() && option.get_expected_min() == 0;
  flag.repeatable = option.get_items_expected_max() >= CLI::detail::expected_max_vector_size;
  return flag;
}

std::vector<FlagInfo> describe_flags(const CLI::App& app) {
  std::vector<FlagInfo> flags;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) flags.push_back(describe_flag(*option));
  }
  return flags;
}

template <class Item>
std::vector<std::string> groups(const std::vector<Item>& items) {
  std::vector<std::string> found;
  for (const Item& item : items) {
    if (std::find(found.begin(), found.end(), item.group) == found.end()) found.push_back(item.group);
  }
  return found;
}

}  // namespace

const std::string& FlagInfo::long_name() const {
  for (const std::string& name : names) {
    if (name.starts_with("--")) return name;
  }
  return names.empty() ? positional : names.front();
}

CommandInfo describe_command(const CLI::App& command) {
  return {command.get_name(), command.get_description(), command.get_group(), command.get_footer(),
          describe_flags(command)};
}

ProgramInfo describe(const CLI::App& program) {
  ProgramInfo info{
      program.get_name(), program.get_description(), program.get_footer(), describe_flags(program), {}};
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) info.commands.push_back(describe_command(*command));
  }
  return info;
}

std::vector<std::string> groups_of(const std::vector<FlagInfo>& flags) { return groups(flags); }
std::vector<std::string> groups_of(const std::vector<CommandInfo>& commands) { return groups(commands); }

}  // namespace vulcap::apps
