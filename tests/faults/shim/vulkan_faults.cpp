// The library behind vulkan_faults.h, under the loader's name. VULCAP_FAULTS="vkQueueSubmit:3:1:-4,..." arms
// it in a program that does not know of it.
#include "tests/faults/shim/vulkan_faults.h"

#define VK_NO_PROTOTYPES
#include <dlfcn.h>
#include <vulkan/vulkan.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

namespace {

// Functions that return a VkResult and may be made to fail.
#define FAULTY(X)                                                                                          \
  X(vkCreateInstance)                                                                                      \
  X(vkEnumerateInstanceVersion) X(vkEnumeratePhysicalDevices) X(vkEnumerateDeviceExtensionProperties)      \
      X(vkCreateDevice) X(vkQueueSubmit) X(vkAllocateMemory) X(vkMapMemory) X(vkCreateBuffer)              \
          X(vkBindBufferMemory) X(vkCreateShaderModule) X(vkCreatePipelineCache) X(vkGetPipelineCacheData) \
              X(vkCreateComputePipelines) X(vkCreatePipelineLayout) X(vkCreateDescriptorSetLayout)         \
                  X(vkCreateDescriptorPool) X(vkAllocateDescriptorSets) X(vkCreateCommandPool)             \
                      X(vkAllocateCommandBuffers) X(vkBeginCommandBuffer) X(vkEndCommandBuffer)            \
                          X(vkCreateQueryPool) X(vkGetQueryPoolResults) X(vkCreateFence) X(vkResetFences)  \
                              X(vkGetFenceStatus) X(vkWaitForFences)

// Of these, the ones that make something, and those that destroy it.
#define MAKING(X)                                                                                          \
  X(vkCreateInstance)                                                                                      \
  X(vkCreateDevice) X(vkAllocateMemory) X(vkCreateBuffer) X(vkCreateShaderModule) X(vkCreatePipelineCache) \
      X(vkCreateComputePipelines) X(vkCreatePipelineLayout) X(vkCreateDescriptorSetLayout)                 \
          X(vkCreateDescriptorPool) X(vkCreateCommandPool) X(vkCreateQueryPool) X(vkCreateFence)
#define DESTROYING(X)                                                                                      \
  X(vkDestroyInstance)                                                                                     \
  X(vkDestroyDevice) X(vkFreeMemory) X(vkDestroyBuffer) X(vkDestroyShaderModule) X(vkDestroyPipelineCache) \
      X(vkDestroyPipeline) X(vkDestroyPipelineLayout) X(vkDestroyDescriptorSetLayout)                      \
          X(vkDestroyDescriptorPool) X(vkDestroyCommandPool) X(vkDestroyQueryPool) X(vkDestroyFence)

enum Function {
#define NAME(name) k_##name,
  FAULTY(NAME) DESTROYING(NAME) kFunctions
#undef NAME
};

constexpr const char* kNames[] = {
#define NAME(name) #name,
    FAULTY(NAME) nullptr
#undef NAME
};

constexpr bool makes(Function function) {
  switch (function) {
#define NAME(name) case k_##name:
    MAKING(NAME) return true;
#undef NAME
    default:
      return false;
  }
}

struct Armed {
  Function function;
  uint64_t first, calls;
  VkResult result;
};

std::mutex mutex;
std::vector<Armed> armed;
std::array<uint64_t, kFunctions> counts{};
std::array<void*, kFunctions> reals{};
uint64_t happened = 0;
std::atomic<int64_t> live{0};

Function function_of(const std::string& name) {
  for (int i = 0; kNames[i] != nullptr; ++i) {
    if (name == kNames[i]) return Function(i);
  }
  return kFunctions;
}

VkResult fault_of(Function function) {
  const std::lock_guard lock(mutex);
  const uint64_t call = ++counts[function];
  for (const Armed& fault : armed) {
    if (fault.function != function || call < fault.first || call >= fault.first + fault.calls) continue;
    ++happened;
    return fault.result;
  }
  return VK_SUCCESS;
}

template <typename Signature, Function function>
struct Wrapped;

template <Function function, typename... Arguments>
struct Wrapped<VkResult(VKAPI_PTR*)(Arguments...), function> {
  static VKAPI_ATTR VkResult VKAPI_CALL call(Arguments... arguments) {
    using Real = VkResult(VKAPI_PTR*)(Arguments...);
    const auto real = reinterpret_cast<Real>(reals[function]);
    const VkResult fault = fault_of(function);
    // A device that is lost has stopped: here it must finish before anything is torn down.
    constexpr bool waits = function == k_vkWaitForFences || function == k_vkGetFenceStatus;
    if (fault != VK_SUCCESS && !waits) return fault;
    VkResult result = real(arguments...);
    while (fault != VK_SUCCESS && result == VK_NOT_READY) result = real(arguments...);
    if (fault != VK_SUCCESS) return fault;
    if (makes(function) && result == VK_SUCCESS) ++live;
    return result;
  }
};

template <Function function, typename... Arguments>
struct Wrapped<void(VKAPI_PTR*)(Arguments...), function> {
  static VKAPI_ATTR void VKAPI_CALL call(Arguments... arguments) {
    using Real = void(VKAPI_PTR*)(Arguments...);
    reinterpret_cast<Real>(reals[function])(arguments...);
    --live;
  }
};

PFN_vkVoidFunction wrapped(const char* name, PFN_vkVoidFunction real) {
  if (real == nullptr) return nullptr;
#define NAME(function)                                                                        \
  if (std::strcmp(name, #function) == 0) {                                                    \
    reals[k_##function] = reinterpret_cast<void*>(real);                                      \
    return reinterpret_cast<PFN_vkVoidFunction>(Wrapped<PFN_##function, k_##function>::call); \
  }
  FAULTY(NAME)
  DESTROYING(NAME)
#undef NAME
  return real;
}

void* loader() {
  static void* library = dlopen(VULCAP_REAL_LOADER, RTLD_NOW | RTLD_LOCAL);
  return library;
}

PFN_vkGetDeviceProcAddr real_device_proc = nullptr;

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_proc(VkDevice device, const char* name) {
  return wrapped(name, real_device_proc(device, name));
}

[[gnu::constructor]] void arm_from_environment() {
  const char* text = std::getenv("VULCAP_FAULTS");
  if (text == nullptr) return;
  std::vector<std::string> names;
  std::vector<VulcapFault> faults;
  const std::string list = text;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string item = list.substr(begin, end - begin);
    const size_t colon = item.find(':');
    unsigned long long first = 1, calls = 1;
    int result = VK_ERROR_DEVICE_LOST;
    std::sscanf(item.c_str() + colon + 1, "%llu:%llu:%d", &first, &calls, &result);
    names.push_back(item.substr(0, colon));
    faults.push_back({nullptr, first, calls, result});
    begin = end + 1;
  }
  for (size_t i = 0; i < faults.size(); ++i) faults[i].function = names[i].c_str();
  vulcap_faults_arm(faults.data(), faults.size());
}

}  // namespace

extern "C" {

[[gnu::visibility("default")]] VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
vkGetInstanceProcAddr(VkInstance instance, const char* name) {
  if (loader() == nullptr) return nullptr;
  const auto real =
      reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(loader(), "vkGetInstanceProcAddr"))(instance, name);
  if (std::strcmp(name, "vkGetDeviceProcAddr") == 0 && real != nullptr) {
    real_device_proc = reinterpret_cast<PFN_vkGetDeviceProcAddr>(real);
    return reinterpret_cast<PFN_vkVoidFunction>(device_proc);
  }
  return wrapped(name, real);
}

void vulcap_faults_arm(const VulcapFault* faults, uint64_t count) {
  const std::lock_guard lock(mutex);
  armed.clear();
  counts.fill(0);
  happened = 0;
  for (uint64_t i = 0; i < count; ++i)
    armed.push_back(
        {function_of(faults[i].function), faults[i].call, faults[i].calls, VkResult(faults[i].result)});
}

const char* const* vulcap_faults_functions() { return kNames; }

uint64_t vulcap_faults_calls(const char* function) {
  const std::lock_guard lock(mutex);
  const Function found = function_of(function);
  return found == kFunctions ? 0 : counts[found];
}

int64_t vulcap_faults_live() { return live; }

uint64_t vulcap_faults_happened() {
  const std::lock_guard lock(mutex);
  return happened;
}
}
