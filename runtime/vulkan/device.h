// A logical device with one compute queue. Submissions are serialised; every wait reports a lost device.
#pragma once

#include <functional>
#include <mutex>

#include "runtime/vulkan/instance.h"

namespace vulcap::vulkan {

class Device {
 public:
  // Throws core::Error(kNoDevice) when the device is absent, too old or has no compute queue.
  Device(uint32_t index, bool validation);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceApi& api() const { return api_; }
  const DeviceInfo& info() const { return info_; }
  const VkPhysicalDeviceMemoryProperties& memory() const { return memory_; }
  uint32_t queue_family() const { return queue_family_; }

  template <typename T>
  Handle<T> own(T object, typename Handle<T>::Destroy destroy) const {
    return Handle<T>(api_.device, object, destroy);
  }
  Handle<VkFence> create_fence() const;
  Handle<VkCommandPool> create_command_pool() const;
  VkCommandBuffer allocate_commands(VkCommandPool pool) const;

  // Submits and waits until the commands are done. Throws core::Error(kRuntime) when the device is lost.
  void submit_and_wait(VkCommandBuffer commands, VkFence fence);

 private:
  void choose_queue(VkPhysicalDevice physical);
  void create(VkPhysicalDevice physical);
  void wait(VkFence fence) const;

  Instance instance_;
  DeviceInfo info_;
  VkPhysicalDeviceMemoryProperties memory_{};
  uint32_t queue_family_ = 0;
  DeviceApi api_;
  VkQueue queue_ = VK_NULL_HANDLE;
  std::mutex queue_mutex_;
};

}  // namespace vulcap::vulkan
