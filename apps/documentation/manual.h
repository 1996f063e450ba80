// The manual page and the tables of docs/commands.md.
#pragma once

#include <string>

#include "apps/documentation/program_info.h"

namespace vulcap::apps {

// vulcap(1), in the man macros of troff.
std::string manual_page(const ProgramInfo& program, const std::string& version);
// Every subcommand with its flags, in Markdown.
std::string commands_markdown(const ProgramInfo& program);

}  // namespace vulcap::apps
