#include "tests/apps/program.h"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>

namespace vulcap::testing {
namespace {

std::string described(const Outcome& outcome) {
  std::string how = "exit code " + std::to_string(outcome.exit_code);
  if (outcome.signal != 0) how = "ended by signal " + std::to_string(outcome.signal);
  if (outcome.timed_out) how = "ran out of time and was killed";
  return how + "\nstdout: " + outcome.out.substr(0, 2000) + "\nstderr: " + outcome.err.substr(0, 4000);
}

bool has_vulkan_device() {
  const Outcome outcome = run_vulcap({"devices"});
  return outcome.out.find("vulkan:0:") != std::string::npos;
}

}  // namespace

// A shell that starts the tests in the background ignores SIGINT for them, and so would the programs that
// they start. Every run is under Vulkan's validation layer. Mesa's driver is unloaded with memory that it
// never frees, so a sanitizer build of the program does not look for leaks.
Environment program_environment(Environment changes) {
  std::signal(SIGINT, SIG_DFL);
  const auto cache = std::filesystem::path(VULCAP_PROGRAM).parent_path() / "tests" / "cache";
  changes.emplace("XDG_CACHE_HOME", cache.string());
  changes.emplace("VULCAP_VALIDATION", "1");
  changes.emplace("ASAN_OPTIONS", "detect_leaks=0");
  return changes;
}

Outcome run_vulcap(const Arguments& arguments, const Environment& changes, std::chrono::seconds limit) {
  const Outcome outcome = ChildProcess(VULCAP_PROGRAM, arguments, program_environment(changes)).wait(limit);
  EXPECT_EQ(outcome.err.find("Vulkan validation:"), std::string::npos) << outcome.err;
  return outcome;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> error_lines(const Outcome& outcome) {
  std::vector<std::string> found;
  for (const std::string& line : lines_of(outcome.err)) {
    if (line.starts_with("vulcap: error:")) found.push_back(line);
  }
  return found;
}

::testing::AssertionResult exits(const Outcome& outcome, int code) {
  if (outcome.exit_code == code && !outcome.timed_out) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "expected exit code " << code << ", got " << described(outcome);
}

::testing::AssertionResult refuses(const Outcome& outcome, int code, const std::vector<std::string>& parts) {
  if (const auto result = exits(outcome, code); !result) return result;
  const std::vector<std::string> errors = error_lines(outcome);
  if (errors.size() != 1)
    return ::testing::AssertionFailure() << "expected one error line, got " << described(outcome);
  if (!outcome.out.empty())
    return ::testing::AssertionFailure() << "expected an empty stdout, got " << described(outcome);
  for (const std::string& part : parts) {
    if (errors[0].find(part) == std::string::npos) {
      return ::testing::AssertionFailure() << "expected '" << part << "' in: " << errors[0];
    }
  }
  return ::testing::AssertionSuccess();
}

void VulkanProgramTest::SetUp() {
  static const bool found = has_vulkan_device();
  if (found) return;
  const char* value = std::getenv("VULCAP_TESTS_WITHOUT_VULKAN");
  if (value != nullptr && std::strcmp(value, "1") == 0)
    GTEST_SKIP() << "skipped: `vulcap devices` lists no Vulkan device";
  FAIL() << "`vulcap devices` lists no Vulkan device; set VULCAP_TESTS_WITHOUT_VULKAN=1 to skip the Vulkan "
            "tests on such a machine";
}

Environment without_vulkan() {
  return {{"VK_ICD_FILENAMES", "/nonexistent"}, {"VK_DRIVER_FILES", "/nonexistent"}};
}

}  // namespace vulcap::testing
