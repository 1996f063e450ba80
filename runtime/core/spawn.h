// Child processes: starting one, and the names of what ends it.
#pragma once

#include <spawn.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace vulcap::core {

// Starts command[0], looked for in PATH where it has no slash, with `environment` ("NAME=value" each) and the
// files that `actions` open. Returns the child, or -1 with errno set.
pid_t spawn(std::vector<std::string> command, std::vector<std::string> environment,
            const posix_spawn_file_actions_t& actions);

// "SIGSEGV".
std::string signal_name(int signal);

}  // namespace vulcap::core
