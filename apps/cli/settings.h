// Where flags that are not given come from: environment variables, then a config file.
#pragma once

#include <string>
#include <vector>

#include "apps/cli/cli11_fwd.h"

namespace vulcap::apps {

// VULCAP_ARG_NUM_BEAMS for --num-beams; empty for what has no long name.
std::string variable_of(const CLI::Option& option);
// Gives every flag of the command its variable.
void add_variables(CLI::App& command);
// Adds --config to the program: a TOML file whose keys are flags; those under [caption] are for that
// subcommand only and come first, those above any section are for every subcommand that has them. Default:
// $XDG_CONFIG_HOME/vulcap/config.toml or ~/.config/vulcap/config.toml, where that is. A variable that is set
// wins. A key that names no flag is refused: parsing then throws core::Error(kUsage).
void add_config_file(CLI::App& program);
// Variables of the environment that look like a flag's and are none of the program's.
std::vector<std::string> unknown_variables(const CLI::App& program);

}  // namespace vulcap::apps
