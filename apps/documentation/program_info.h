// The command line as plain data, read from the parser itself: what help, manual page, completion and the
// table of flags are written from.
#pragma once

#include <string>
#include <vector>

#include "apps/cli/cli11_fwd.h"

namespace vulcap::apps {

struct FlagInfo {
  std::vector<std::string> names;    // "-n", "--max-new-tokens"; empty for what is positional only
  std::string positional;            // its name as an argument without a flag; empty: none
  std::string value;                 // what it takes: "TEXT", "{auto,never}"; empty: nothing
  std::vector<std::string> choices;  // where only these are taken
  std::string description;
  std::string default_value;
  std::string group;
  bool required = false;
  bool optional_value = false;  // the value may be left out
  bool repeatable = false;

  const std::string& long_name() const;  // "--max-new-tokens", else the first name
};

struct CommandInfo {
  std::string name;
  std::string description;
  std::string group;
  std::string footer;  // examples
  std::vector<FlagInfo> flags;
};

struct ProgramInfo {
  std::string name;
  std::string description;
  std::string footer;
  std::vector<FlagInfo> flags;
  std::vector<CommandInfo> commands;  // without hidden ones
};

ProgramInfo describe(const CLI::App& program);
CommandInfo describe_command(const CLI::App& command);
// Groups in the order in which they first appear.
std::vector<std::string> groups_of(const std::vector<FlagInfo>& flags);
std::vector<std::string> groups_of(const std::vector<CommandInfo>& commands);

}  // namespace vulcap::apps
