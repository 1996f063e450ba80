// Runs the vulcap program as a user would: a child process with its streams captured.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/apps/child_process.h"

namespace vulcap::testing {

// What vulcap's environment is in tests, with `changes` on top. The pipeline cache goes to a folder of the
// build tree.
Environment program_environment(Environment changes);

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
