#include "tests/vulkan/vulkan_device.h"

#include <cstdlib>
#include <cstring>

namespace vulcap::testing {
namespace {

const vulkan::Enumeration& found() {
  static const vulkan::Enumeration result = vulkan::enumerate();
  return result;
}

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && std::strcmp(value, "1") == 0;
}

}  // namespace

bool on_gpu() {
  const vulkan::Choice choice = vulkan::choose_device(found().devices, "auto");
  return found().devices.at(size_t(choice.index)).caps.type != vulkan::DeviceType::kCpu;
}

std::shared_ptr<plan::Backend> make_backend(vulkan::Options options) {
  options.validation = !is_set("VULCAP_TESTS_WITHOUT_VALIDATION");
  const vulkan::Choice choice = vulkan::choose_device(found().devices, "auto");
  return vulkan::create_backend(found().devices.at(size_t(choice.index)).index, options);
}

std::shared_ptr<plan::Backend> shared_backend() {
  static const std::shared_ptr<plan::Backend> backend = found().devices.empty() ? nullptr : make_backend({});
  return backend;
}

void VulkanTest::SetUp() {
  messages_before_ = vulkan::validation_messages();
  if (!found().devices.empty()) return;
  if (is_set("VULCAP_TESTS_WITHOUT_VULKAN")) GTEST_SKIP() << "skipped: " << found().reason;
  FAIL() << found().reason
         << "; set VULCAP_TESTS_WITHOUT_VULKAN=1 to skip the Vulkan tests on such a machine";
}

void VulkanTest::TearDown() {
  EXPECT_EQ(vulkan::validation_messages(), messages_before_) << "validation messages stand above";
}

}  // namespace vulcap::testing
