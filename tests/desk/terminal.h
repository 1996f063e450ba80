// The program on a pseudo terminal, and with lines on stdin.
#pragma once

#include "tests/apps/program.h"

namespace vulcap::testing {

// `command` for the shell, in which $VULCAP is the program. stdout holds what the command wrote there.
Outcome run_shell(const std::string& command, const Environment& changes = {});
// `command` in a shell whose streams are all one terminal of the kind TERM=xterm; stdout holds what it shows.
Outcome run_on_terminal(const std::string& command, const Environment& changes = {});

// The embedded model's sample images, by name.
std::string sample(const std::string& name);

}  // namespace vulcap::testing
