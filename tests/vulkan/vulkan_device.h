// The device of the Vulkan tests. Without one they fail, unless VULCAP_TESTS_WITHOUT_VULKAN=1 says that this
// machine has none: then they are skipped, with the reason. VULCAP_TESTS_WITHOUT_VALIDATION=1 leaves out the
// validation layer, for machines with a GPU but without the layer.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "runtime/vulkan/backend.h"

namespace vulcap::testing {

// Validation is on. Null when there is no device.
std::shared_ptr<plan::Backend> shared_backend();
// Whether that device is no software renderer.
bool on_gpu();
// Another one, with other options; validation is switched on.
std::shared_ptr<plan::Backend> make_backend(vulkan::Options options);

// Checks for a device before each test and for validation messages after it.
class VulkanTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

 private:
  uint64_t messages_before_ = 0;
};

}  // namespace vulcap::testing
