// The ONNX project's own tests (Debian's libonnx-testdata) on both devices: nothing fails but what
// tests/golden/conformance/known_failures.txt lists with a reason, and nothing listed there passes.
#include <gtest/gtest.h>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

constexpr std::chrono::seconds kLimit(550);

void expect_as_known(const std::string& device) {
  const Outcome outcome = run_vulcap({"conformance", VULCAP_ONNX_TESTS, "--failures", "--device", device,
                                      "--expect", (kTestData / "conformance/known_failures.txt").string()},
                                     {}, kLimit);
  EXPECT_TRUE(exits(outcome, 0));
}

TEST(OnnxSuite, OnCpu) { expect_as_known("cpu"); }

class OnnxSuiteOnVulkan : public VulkanProgramTest {};
TEST_F(OnnxSuiteOnVulkan, IsAsKnown) { expect_as_known("vulkan"); }

}  // namespace
}  // namespace vulcap::testing
