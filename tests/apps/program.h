// Runs the vulcap program as a user would: a child process with its streams captured.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace vulcap::testing {

struct Outcome {
  int exit_code = -1;  // -1: ended by a signal
  int signal = 0;
  bool timed_out = false;  // then it was killed
  std::string out;
  std::string err;
};

using Arguments = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

// `changes` are set on top of this process's environment. The pipeline cache goes to a folder of the build
// tree.
Outcome run_vulcap(const Arguments& arguments, const Environment& changes = {},
                   std::chrono::seconds limit = std::chrono::seconds(120));

std::vector<std::string> lines_of(const std::string& text);
// Lines that start with "vulcap: error:".
std::vector<std::string> error_lines(const Outcome& outcome);

// For EXPECT_TRUE: the exit code is as said and the child neither crashed nor hung.
::testing::AssertionResult exits(const Outcome& outcome, int code);
// The same, and what is refused is refused well: nothing on stdout and one error line that holds every one of
// `parts`.
::testing::AssertionResult refuses(const Outcome& outcome, int code, const std::vector<std::string>& parts);

// Tests of a Vulkan device fail where there is none, unless VULCAP_TESTS_WITHOUT_VULKAN=1 says that this
// machine has none.
class VulkanProgramTest : public ::testing::Test {
 protected:
  void SetUp() override;
};

// Settings under which no Vulkan driver is found.
Environment without_vulkan();

}  // namespace vulcap::testing
