#include "tests/desk/terminal.h"

#include "tests/apps/child_process.h"

namespace vulcap::testing {
namespace {

Environment completed(Environment changes) {
  changes.emplace("VULCAP", VULCAP_PROGRAM);
  changes.emplace("VULCAP_ARG_DEVICE", "cpu");
  changes.emplace("XDG_CONFIG_HOME", "/nonexistent");
  for (const char* name : {"NO_COLOR", "CLICOLOR_FORCE"}) changes.emplace(name, "");
  return changes;
}

}  // namespace

Outcome run_shell(const std::string& command, const Environment& changes) {
  return ChildProcess("bash", {"-c", command}, completed(changes)).wait(std::chrono::seconds(60));
}

Outcome run_on_terminal(const std::string& command, const Environment& changes) {
  Environment all = completed(changes);
  all.emplace("TERM", "xterm");
  return ChildProcess("script", {"-qec", command, "/dev/null"}, all).wait(std::chrono::seconds(60));
}

std::string sample(const std::string& name) {
  return std::string(VULCAP_SOURCE_DIR) + "/models/scenes-vit-gpt2/expected/images/" + name;
}

}  // namespace vulcap::testing
