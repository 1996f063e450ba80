#include "runtime/vulkan/vulkan_api.h"

#include <dlfcn.h>

#include "runtime/core/error.h"
#include "runtime/plan/backend.h"

namespace vulcap::vulkan {

std::string load_global_api(GlobalApi& api) {
  // Never closed: drivers keep threads and exit handlers in it.
  static void* library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return "no Vulkan loader (libvulkan.so.1) is installed";
  api.vkGetInstanceProcAddr =
      reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  if (api.vkGetInstanceProcAddr == nullptr) return "libvulkan.so.1 has no vkGetInstanceProcAddr";
#define VULCAP_VK_LOAD(name)                                                                 \
  api.name = reinterpret_cast<PFN_##name>(api.vkGetInstanceProcAddr(VK_NULL_HANDLE, #name)); \
  if (api.name == nullptr) return "the Vulkan loader is older than 1.1 (it has no " #name ")";
  VULCAP_VK_GLOBAL(VULCAP_VK_LOAD)
#undef VULCAP_VK_LOAD
  return {};
}

const char* load_instance_api(const GlobalApi& global, VkInstance instance, InstanceApi& api) {
#define VULCAP_VK_LOAD(name)                                                              \
  api.name = reinterpret_cast<PFN_##name>(global.vkGetInstanceProcAddr(instance, #name)); \
  if (api.name == nullptr) return #name;
  VULCAP_VK_INSTANCE(VULCAP_VK_LOAD)
#undef VULCAP_VK_LOAD
  return nullptr;
}

const char* load_device_api(const InstanceApi& instance, VkDevice device, DeviceApi& api) {
  api.device = device;
#define VULCAP_VK_LOAD(name)                                                            \
  api.name = reinterpret_cast<PFN_##name>(instance.vkGetDeviceProcAddr(device, #name)); \
  if (api.name == nullptr) return #name;
  VULCAP_VK_DEVICE(VULCAP_VK_LOAD)
#undef VULCAP_VK_LOAD
  return nullptr;
}

std::string result_name(VkResult result) {
  switch (result) {
    case VK_SUCCESS:
      return "VK_SUCCESS";
    case VK_NOT_READY:
      return "VK_NOT_READY";
    case VK_TIMEOUT:
      return "VK_TIMEOUT";
    case VK_INCOMPLETE:
      return "VK_INCOMPLETE";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
      return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_MEMORY_MAP_FAILED:
      return "VK_ERROR_MEMORY_MAP_FAILED";
    case VK_ERROR_LAYER_NOT_PRESENT:
      return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
      return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT:
      return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS:
      return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_FRAGMENTED_POOL:
      return "VK_ERROR_FRAGMENTED_POOL";
    case VK_ERROR_OUT_OF_POOL_MEMORY:
      return "VK_ERROR_OUT_OF_POOL_MEMORY";
    default:
      return "VkResult " + std::to_string(int(result));
  }
}

void check(VkResult result, const char* what) {
  if (result == VK_SUCCESS) return;
  const std::string line = std::string("Vulkan: ") + what + " failed with " + result_name(result);
  if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY) {
    throw plan::OutOfMemory(
        line + "; the device's memory is exhausted: close other programs that use it, or use --device cpu");
  }
  if (result == VK_ERROR_OUT_OF_HOST_MEMORY) {
    throw plan::OutOfMemory(line +
                            "; the machine's memory is exhausted: use a smaller model or --dtype fp16");
  }
  throw plan::DeviceLost(
      line +
      "; the driver gave up (a reset, a time limit or a driver error): run again, or use --device cpu");
}

}  // namespace vulcap::vulkan
