// The Vulkan functions that vulcap calls, looked up at run time: the program starts and runs on machines
// without a loader.
#pragma once

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <string>
#include <utility>

namespace vulcap::vulkan {

// VULCAP_VK(name) for every function of one dispatch level.
#define VULCAP_VK_GLOBAL(VULCAP_VK)             \
  VULCAP_VK(vkCreateInstance)                   \
  VULCAP_VK(vkEnumerateInstanceVersion)         \
  VULCAP_VK(vkEnumerateInstanceLayerProperties) \
  VULCAP_VK(vkEnumerateInstanceExtensionProperties)

#define VULCAP_VK_INSTANCE(VULCAP_VK)                 \
  VULCAP_VK(vkDestroyInstance)                        \
  VULCAP_VK(vkEnumeratePhysicalDevices)               \
  VULCAP_VK(vkGetPhysicalDeviceProperties2)           \
  VULCAP_VK(vkGetPhysicalDeviceFeatures2)             \
  VULCAP_VK(vkGetPhysicalDeviceMemoryProperties2)     \
  VULCAP_VK(vkGetPhysicalDeviceQueueFamilyProperties) \
  VULCAP_VK(vkEnumerateDeviceExtensionProperties)     \
  VULCAP_VK(vkCreateDevice)                           \
  VULCAP_VK(vkGetDeviceProcAddr)

#define VULCAP_VK_DEVICE(VULCAP_VK)        \
  VULCAP_VK(vkDestroyDevice)               \
  VULCAP_VK(vkGetDeviceQueue)              \
  VULCAP_VK(vkDeviceWaitIdle)              \
  VULCAP_VK(vkQueueSubmit)                 \
  VULCAP_VK(vkAllocateMemory)              \
  VULCAP_VK(vkFreeMemory)                  \
  VULCAP_VK(vkMapMemory)                   \
  VULCAP_VK(vkCreateBuffer)                \
  VULCAP_VK(vkDestroyBuffer)               \
  VULCAP_VK(vkGetBufferMemoryRequirements) \
  VULCAP_VK(vkBindBufferMemory)            \
  VULCAP_VK(vkCreateShaderModule)          \
  VULCAP_VK(vkDestroyShaderModule)         \
  VULCAP_VK(vkCreatePipelineCache)         \
  VULCAP_VK(vkDestroyPipelineCache)        \
  VULCAP_VK(vkGetPipelineCacheData)        \
  VULCAP_VK(vkCreateComputePipelines)      \
  VULCAP_VK(vkDestroyPipeline)             \
  VULCAP_VK(vkCreatePipelineLayout)        \
  VULCAP_VK(vkDestroyPipelineLayout)       \
  VULCAP_VK(vkCreateDescriptorSetLayout)   \
  VULCAP_VK(vkDestroyDescriptorSetLayout)  \
  VULCAP_VK(vkCreateDescriptorPool)        \
  VULCAP_VK(vkDestroyDescriptorPool)       \
  VULCAP_VK(vkAllocateDescriptorSets)      \
  VULCAP_VK(vkUpdateDescriptorSets)        \
  VULCAP_VK(vkCreateCommandPool)           \
  VULCAP_VK(vkDestroyCommandPool)          \
  VULCAP_VK(vkAllocateCommandBuffers)      \
  VULCAP_VK(vkBeginCommandBuffer)          \
  VULCAP_VK(vkEndCommandBuffer)            \
  VULCAP_VK(vkCmdBindPipeline)             \
  VULCAP_VK(vkCmdBindDescriptorSets)       \
  VULCAP_VK(vkCmdPushConstants)            \
  VULCAP_VK(vkCmdDispatch)                 \
  VULCAP_VK(vkCmdPipelineBarrier)          \
  VULCAP_VK(vkCmdCopyBuffer)               \
  VULCAP_VK(vkCmdResetQueryPool)           \
  VULCAP_VK(vkCmdWriteTimestamp)           \
  VULCAP_VK(vkCreateQueryPool)             \
  VULCAP_VK(vkDestroyQueryPool)            \
  VULCAP_VK(vkGetQueryPoolResults)         \
  VULCAP_VK(vkCreateFence)                 \
  VULCAP_VK(vkDestroyFence)                \
  VULCAP_VK(vkResetFences)                 \
  VULCAP_VK(vkGetFenceStatus)              \
  VULCAP_VK(vkWaitForFences)

#define VULCAP_VK_MEMBER(name) PFN_##name name = nullptr;

struct GlobalApi {
  PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr = nullptr;
  VULCAP_VK_GLOBAL(VULCAP_VK_MEMBER)
};

struct InstanceApi {
  VULCAP_VK_INSTANCE(VULCAP_VK_MEMBER)
};

struct DeviceApi {
  VkDevice device = VK_NULL_HANDLE;
  VULCAP_VK_DEVICE(VULCAP_VK_MEMBER)
};

#undef VULCAP_VK_MEMBER

// Opens libvulkan.so.1 once a process. Returns an empty string, or why there is no usable loader.
std::string load_global_api(GlobalApi& api);
// Return the name of the first function that is missing, or null.
const char* load_instance_api(const GlobalApi& global, VkInstance instance, InstanceApi& api);
const char* load_device_api(const InstanceApi& instance, VkDevice device, DeviceApi& api);

// A Vulkan structure of which only the type is set.
template <typename T>
T structure(VkStructureType type) {
  T result{};
  result.sType = type;
  return result;
}

// Name of a VkResult: "VK_ERROR_DEVICE_LOST".
std::string result_name(VkResult result);
// Unless result == VK_SUCCESS, throws with `what`, the result and what to do about it: plan::OutOfMemory for
// memory of device or host, plan::DeviceLost for all else, since nothing that the device holds can be relied
// on then.
void check(VkResult result, const char* what);

// Owns one object of a device; move only.
template <typename T>
class Handle {
 public:
  using Destroy = void(VKAPI_PTR*)(VkDevice, T, const VkAllocationCallbacks*);

  Handle() = default;
  Handle(VkDevice device, T object, Destroy destroy) : device_(device), object_(object), destroy_(destroy) {}
  Handle(Handle&& other) noexcept
      : device_(other.device_),
        object_(std::exchange(other.object_, VK_NULL_HANDLE)),
        destroy_(other.destroy_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(object_, other.object_);
    std::swap(destroy_, other.destroy_);
    return *this;
  }
  ~Handle() {
    if (object_ != VK_NULL_HANDLE) destroy_(device_, object_, nullptr);
  }

  T get() const { return object_; }

 private:
  VkDevice device_ = VK_NULL_HANDLE;
  T object_ = VK_NULL_HANDLE;
  Destroy destroy_ = nullptr;
};

}  // namespace vulcap::vulkan
