#include "runtime/core/spawn.h"

#include <cerrno>
#include <cstring>

namespace vulcap::core {
namespace {

std::vector<char*> pointers(std::vector<std::string>& items) {
  std::vector<char*> all;
  for (std::string& item : items) all.push_back(item.data());
  all.push_back(nullptr);
  return all;
}

}  // namespace

pid_t spawn(std::vector<std::string> command, std::vector<std::string> environment,
            const posix_spawn_file_actions_t& actions) {
  pid_t child = -1;
  const int failure = posix_spawnp(&child, command.at(0).c_str(), &actions, nullptr, pointers(command).data(),
                                   pointers(environment).data());
  if (failure == 0) return child;
  errno = failure;
  return -1;
}

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? "signal " + std::to_string(signal) : "SIG" + std::string(name);
}

}  // namespace vulcap::core
