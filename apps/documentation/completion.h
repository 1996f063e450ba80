// What shells need to complete vulcap's subcommands, flags and the values that flags choose from.
#pragma once

#include <string>

#include "apps/documentation/program_info.h"

namespace vulcap::apps {

// `shell`: bash, zsh or fish.
std::string completion_script(const ProgramInfo& program, const std::string& shell);

}  // namespace vulcap::apps
