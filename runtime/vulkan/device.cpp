#include "runtime/vulkan/device.h"

#include <algorithm>
#include <chrono>

#include "runtime/core/error.h"

namespace vulcap::vulkan {
namespace {

// A wake-up through the kernel costs tens of microseconds; a GPU's short step ends sooner than that.
constexpr std::chrono::microseconds kSpin{200};

core::Error unusable(const DeviceInfo& info, const std::string& reason) {
  return core::Error(core::ErrorCode::kNoDevice, "Vulkan device " + info.name + " cannot be used: " + reason);
}

}  // namespace

Device::Device(uint32_t index, bool validation) : instance_(validation) {
  const std::vector<VkPhysicalDevice> devices = instance_.physical_devices();
  if (index >= devices.size()) {
    throw core::Error(core::ErrorCode::kNoDevice, "there is no Vulkan device " + std::to_string(index) +
                                                      "; there are " + std::to_string(devices.size()));
  }
  info_ = describe(instance_.api(), devices[index]);
  info_.index = index;
  if (info_.api_version < VK_API_VERSION_1_2) {
    throw unusable(info_, "it offers Vulkan " + version_text(info_.api_version) + ", 1.2 is needed");
  }
  choose_queue(devices[index]);
  create(devices[index]);
}

void Device::choose_queue(VkPhysicalDevice physical) {
  uint32_t count = 0;
  instance_.api().vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  instance_.api().vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
  const auto computes = [](const VkQueueFamilyProperties& f) {
    return (f.queueFlags & VK_QUEUE_COMPUTE_BIT) != 0;
  };
  const auto found = std::find_if(families.begin(), families.end(), computes);
  if (found == families.end()) throw unusable(info_, "it has no compute queue");
  queue_family_ = uint32_t(found - families.begin());
  auto memory =
      structure<VkPhysicalDeviceMemoryProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2);
  instance_.api().vkGetPhysicalDeviceMemoryProperties2(physical, &memory);
  memory_ = memory.memoryProperties;
}

void Device::create(VkPhysicalDevice physical) {
  const DeviceCaps& caps = info_.caps;

  auto storage8 =
      structure<VkPhysicalDevice8BitStorageFeatures>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES);
  storage8.storageBuffer8BitAccess = caps.storage_8bit;
  auto storage16 = structure<VkPhysicalDevice16BitStorageFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES);
  storage16.pNext = caps.storage_8bit ? &storage8 : nullptr;
  storage16.storageBuffer16BitAccess = caps.storage_16bit;
  auto features = structure<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
  features.pNext = &storage16;
  features.features.shaderInt64 = caps.int64;
  features.features.shaderFloat64 = caps.float64;
  features.features.shaderInt16 = caps.int16;

  const float priority = 1.0f;
  auto queue = structure<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
  queue.queueFamilyIndex = queue_family_;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  auto create_info = structure<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
  create_info.pNext = &features;
  create_info.queueCreateInfoCount = 1;
  create_info.pQueueCreateInfos = &queue;
  VkDevice device = VK_NULL_HANDLE;
  const VkResult result = instance_.api().vkCreateDevice(physical, &create_info, nullptr, &device);
  if (result != VK_SUCCESS) throw unusable(info_, "vkCreateDevice failed with " + result_name(result));
  if (const char* missing = load_device_api(instance_.api(), device, api_)) {
    if (api_.vkDestroyDevice != nullptr) api_.vkDestroyDevice(device, nullptr);
    throw unusable(info_, std::string("its driver has no ") + missing);
  }
  api_.vkGetDeviceQueue(api_.device, queue_family_, 0, &queue_);
}

Device::~Device() {
  if (api_.vkDestroyDevice == nullptr) return;
  api_.vkDeviceWaitIdle(api_.device);
  api_.vkDestroyDevice(api_.device, nullptr);
}

Handle<VkFence> Device::create_fence() const {
  const auto info = structure<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
  VkFence fence = VK_NULL_HANDLE;
  check(api_.vkCreateFence(api_.device, &info, nullptr, &fence), "vkCreateFence");
  return own(fence, api_.vkDestroyFence);
}

Handle<VkCommandPool> Device::create_command_pool() const {
  auto info = structure<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
  info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  info.queueFamilyIndex = queue_family_;
  VkCommandPool pool = VK_NULL_HANDLE;
  check(api_.vkCreateCommandPool(api_.device, &info, nullptr, &pool), "vkCreateCommandPool");
  return own(pool, api_.vkDestroyCommandPool);
}

VkCommandBuffer Device::allocate_commands(VkCommandPool pool) const {
  auto info = structure<VkCommandBufferAllocateInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
  info.commandPool = pool;
  info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  info.commandBufferCount = 1;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  check(api_.vkAllocateCommandBuffers(api_.device, &info, &commands), "vkAllocateCommandBuffers");
  return commands;
}

void Device::wait(VkFence fence) const {
  // A software renderer needs the processor that spinning would take from it.
  if (info_.caps.type != DeviceType::kCpu) {
    const auto end = std::chrono::steady_clock::now() + kSpin;
    while (std::chrono::steady_clock::now() < end) {
      const VkResult result = api_.vkGetFenceStatus(api_.device, fence);
      if (result == VK_SUCCESS) return;
      if (result != VK_NOT_READY) check(result, "vkGetFenceStatus");
    }
  }
  check(api_.vkWaitForFences(api_.device, 1, &fence, VK_TRUE, UINT64_MAX), "vkWaitForFences");
}

void Device::submit_and_wait(VkCommandBuffer commands, VkFence fence) {
  auto info = structure<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  check(api_.vkResetFences(api_.device, 1, &fence), "vkResetFences");
  {
    const std::lock_guard lock(queue_mutex_);
    check(api_.vkQueueSubmit(queue_, 1, &info, fence), "vkQueueSubmit");
  }
  wait(fence);
}

}  // namespace vulcap::vulkan
