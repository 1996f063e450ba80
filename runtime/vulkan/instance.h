// A VkInstance with its functions, and the counter of validation messages.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "runtime/vulkan/devices.h"
#include "runtime/vulkan/vulkan_api.h"

namespace vulcap::vulkan {

// Messages (warnings and errors) that the validation layer gave in this process; each is also printed to
// stderr.
uint64_t validation_messages();

class Instance {
 public:
  // Throws core::Error(kNoDevice) with the reason when there is no usable loader or driver, and when
  // `validation` is asked for and VK_LAYER_KHRONOS_validation is not installed.
  explicit Instance(bool validation);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const InstanceApi& api() const { return api_; }
  std::vector<VkPhysicalDevice> physical_devices() const;

 private:
  void create(bool validation);
  void watch_messages();

  GlobalApi global_;
  InstanceApi api_;
  VkInstance instance_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
};

// Extension names of a device.
std::vector<std::string> device_extensions(const InstanceApi& api, VkPhysicalDevice device);
// Everything vulcap knows about one device; index is left 0.
DeviceInfo describe(const InstanceApi& api, VkPhysicalDevice device);

}  // namespace vulcap::vulkan
