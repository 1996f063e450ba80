#include "apps/cli/settings.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <set>

#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

constexpr const char* kPrefix = "VULCAP_ARG_";

std::string value_of(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  return value == nullptr ? "" : value;
}

std::string default_config() {
  if (const std::string folder = value_of("XDG_CONFIG_HOME"); !folder.empty())
    return folder + "/vulcap/config.toml";
  if (const std::string home = value_of("HOME"); !home.empty()) return home + "/.config/vulcap/config.toml";
  return "";
}

const CLI::Option* find_flag(const CLI::App& command, const std::string& key) {
  std::string kebab = key;
  std::replace(kebab.begin(), kebab.end(), '_', '-');
  return command.get_option_no_throw("--" + kebab);
}

const CLI::App* find_command(const CLI::App& program, const std::string& name) {
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

bool any_command_has(const CLI::App& program, const std::string& key) {
  const auto commands = program.get_subcommands([](const CLI::App*) { return true; });
  return std::any_of(commands.begin(), commands.end(),
                     [&](const CLI::App* command) { return find_flag(*command, key) != nullptr; });
}

// Keys for the subcommand that was chosen, as the parser takes them.
class ConfigFile : public CLI::ConfigTOML {
 public:
  explicit ConfigFile(const CLI::App& program) : program_(program) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> of_command;
    std::vector<CLI::ConfigItem> of_all;
    for (CLI::ConfigItem& item : CLI::ConfigTOML::from_config(input)) {
      if (item.name == "++" || item.name == "--") continue;  // a section begins or ends
      check(item);
      const bool general = item.parents.empty();
      if (!general && item.parents[0] != chosen().get_name()) continue;
      const CLI::Option* flag = find_flag(chosen(), item.name);
      if (flag == nullptr || !value_of(flag->get_envname()).empty()) continue;
      item.parents = {chosen().get_name()};
      item.name = flag->get_lnames()[0];
      (general ? of_all : of_command).push_back(item);
    }
    of_command.insert(of_command.end(), of_all.begin(), of_all.end());
    return of_command;
  }

 private:
  const CLI::App& chosen() const { return *program_.get_subcommands().at(0); }

  void check(const CLI::ConfigItem& item) const {
    const std::string file = program_.get_config_ptr()->as<std::string>();
    const CLI::App* command = item.parents.size() == 1 ? find_command(program_, item.parents[0]) : nullptr;
    if (!item.parents.empty() && command == nullptr) {
      throw core::Error(core::ErrorCode::kUsage, file + ": [" + CLI::detail::join(item.parents, ".") +
                                                     "] is no subcommand of vulcap; see vulcap --help");
    }
    if (command != nullptr ? find_flag(*command, item.name) != nullptr : any_command_has(program_, item.name))
      return;
    throw core::Error(core::ErrorCode::kUsage,
                      file + ": " + item.name + " is no flag of " +
                          (command != nullptr ? "vulcap " + command->get_name() : "any subcommand") +
                          "; see vulcap COMMAND --help");
  }

  const CLI::App& program_;
};

}  // namespace

std::string variable_of(const CLI::Option& option) {
  if (option.get_lnames().empty()) return "";
  std::string name = option.get_lnames()[0];
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : char(std::toupper(c)); });
  return kPrefix + name;
}

void add_variables(CLI::App& command) {
  for (CLI::Option* option : command.get_options()) {
    if (option != command.get_help_ptr() && option->get_envname().empty())
      option->envname(variable_of(*option));
  }
}

void add_config_file(CLI::App& program) {
  const std::string asked = value_of(std::string(kPrefix) + "CONFIG");
  program.config_formatter(std::make_shared<ConfigFile>(program));
  program.set_config("--config", asked.empty() ? default_config() : asked,
                     "File with flags as KEY = VALUE (TOML), for all subcommands or under [SUBCOMMAND]",
                     !asked.empty());
}

std::vector<std::string> unknown_variables(const CLI::App& program) {
  std::set<std::string> known{std::string(kPrefix) + "CONFIG"};
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    for (const CLI::Option* option : command->get_options()) known.insert(option->get_envname());
  }
  std::vector<std::string> unknown;
  for (char** item = environ; item != nullptr && *item != nullptr; ++item) {
    const std::string text = *item;
    const std::string name = text.substr(0, text.find('='));
    if (name.starts_with(kPrefix) && known.count(name) == 0) unknown.push_back(name);
  }
  return unknown;
}

}  // namespace vulcap::apps
