#include "runtime/vulkan/devices.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "runtime/core/error.h"
#include "runtime/vulkan/instance.h"

namespace vulcap::vulkan {
namespace {

DeviceType type_of(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return DeviceType::kIntegrated;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return DeviceType::kDiscrete;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return DeviceType::kVirtual;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return DeviceType::kCpu;
    default:
      return DeviceType::kOther;
  }
}

bool contains(const std::vector<std::string>& names, const char* name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Structures that vkGetPhysicalDeviceProperties2 fills, chained.
struct Properties {
  VkPhysicalDeviceProperties2 base =
      structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  VkPhysicalDeviceIDProperties id =
      structure<VkPhysicalDeviceIDProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES);
  VkPhysicalDeviceSubgroupProperties subgroup =
      structure<VkPhysicalDeviceSubgroupProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
  VkPhysicalDeviceMaintenance3Properties maintenance = structure<VkPhysicalDeviceMaintenance3Properties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);
  VkPhysicalDeviceDriverProperties driver =
      structure<VkPhysicalDeviceDriverProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES);

  VkPhysicalDevicePCIBusInfoPropertiesEXT pci = structure<VkPhysicalDevicePCIBusInfoPropertiesEXT>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT);

  Properties(const InstanceApi& api, VkPhysicalDevice device, bool has_pci) {
    base.pNext = &id;
    id.pNext = &subgroup;
    subgroup.pNext = &maintenance;
    maintenance.pNext = &driver;
    if (has_pci) driver.pNext = &pci;
    api.vkGetPhysicalDeviceProperties2(device, &base);
  }
};

struct Features {
  VkPhysicalDeviceFeatures2 base =
      structure<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
  VkPhysicalDevice16BitStorageFeatures storage16 = structure<VkPhysicalDevice16BitStorageFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES);
  VkPhysicalDevice8BitStorageFeatures storage8 =
      structure<VkPhysicalDevice8BitStorageFeatures>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES);
  VkPhysicalDeviceShaderFloat16Int8Features float16 = structure<VkPhysicalDeviceShaderFloat16Int8Features>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES);

  Features(const InstanceApi& api, VkPhysicalDevice device) {
    base.pNext = &storage16;
    storage16.pNext = &storage8;
    storage8.pNext = &float16;
    api.vkGetPhysicalDeviceFeatures2(device, &base);
  }
};

std::string pci_text(const VkPhysicalDevicePCIBusInfoPropertiesEXT& pci) {
  char text[32];
  std::snprintf(text, sizeof text, "%04x:%02x:%02x.%x", pci.pciDomain, pci.pciBus, pci.pciDevice,
                pci.pciFunction);
  return text;
}

void read_properties(const VkPhysicalDeviceProperties& from, DeviceInfo& info) {
  info.name = from.deviceName;
  info.driver_version = from.driverVersion;
  info.api_version = from.apiVersion;
  info.vendor_id = from.vendorID;
  info.device_id = from.deviceID;
  std::memcpy(info.cache_uuid.data(), from.pipelineCacheUUID, info.cache_uuid.size());
  const VkPhysicalDeviceLimits& limits = from.limits;
  info.timestamps = limits.timestampComputeAndGraphics == VK_TRUE;
  info.timestamp_period_ns = limits.timestampPeriod;
  info.caps.type = type_of(from.deviceType);
  info.caps.max_workgroup_invocations = limits.maxComputeWorkGroupInvocations;
  info.caps.max_shared_bytes = limits.maxComputeSharedMemorySize;
  info.caps.max_storage_buffer_range = limits.maxStorageBufferRange;
  info.caps.min_storage_alignment = uint32_t(limits.minStorageBufferOffsetAlignment);
}

void read_memory(const InstanceApi& api, VkPhysicalDevice device, DeviceInfo& info) {
  auto memory =
      structure<VkPhysicalDeviceMemoryProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2);
  api.vkGetPhysicalDeviceMemoryProperties2(device, &memory);
  for (uint32_t i = 0; i < memory.memoryProperties.memoryHeapCount; ++i) {
    const VkMemoryHeap& heap = memory.memoryProperties.memoryHeaps[i];
    info.heaps.push_back({heap.size, (heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0});
  }
}

}  // namespace

std::vector<std::string> device_extensions(const InstanceApi& api, VkPhysicalDevice device) {
  uint32_t count = 0;
  check(api.vkEnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr),
        "vkEnumerateDeviceExtensionProperties");
  std::vector<VkExtensionProperties> properties(count);
  check(api.vkEnumerateDeviceExtensionProperties(device, nullptr, &count, properties.data()),
        "vkEnumerateDeviceExtensionProperties");
  std::vector<std::string> names;
  for (const VkExtensionProperties& extension : properties) names.emplace_back(extension.extensionName);
  return names;
}

DeviceInfo describe(const InstanceApi& api, VkPhysicalDevice device) {
  const std::vector<std::string> extensions = device_extensions(api, device);
  const bool has_pci = contains(extensions, "VK_EXT_pci_bus_info");
  const Properties properties(api, device, has_pci);
  const Features features(api, device);
  DeviceInfo info;
  read_properties(properties.base.properties, info);
  read_memory(api, device, info);
  info.driver = std::string(properties.driver.driverName) + " " + properties.driver.driverInfo;
  std::memcpy(info.uuid.data(), properties.id.deviceUUID, info.uuid.size());
  if (has_pci) info.pci = pci_text(properties.pci);

  DeviceCaps& caps = info.caps;
  caps.max_allocation_bytes = properties.maintenance.maxMemoryAllocationSize;
  caps.subgroup_size = properties.subgroup.subgroupSize;
  constexpr VkSubgroupFeatureFlags kNeeded = VK_SUBGROUP_FEATURE_BASIC_BIT |
                                             VK_SUBGROUP_FEATURE_ARITHMETIC_BIT |
                                             VK_SUBGROUP_FEATURE_BALLOT_BIT | VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
  caps.subgroup_arithmetic = (properties.subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 &&
                             (properties.subgroup.supportedOperations & kNeeded) == kNeeded;
  caps.storage_16bit = features.storage16.storageBuffer16BitAccess == VK_TRUE;
  caps.storage_8bit = features.storage8.storageBuffer8BitAccess == VK_TRUE;
  caps.float16 = features.float16.shaderFloat16 == VK_TRUE;
  caps.int8 = features.float16.shaderInt8 == VK_TRUE;
  caps.int16 = features.base.features.shaderInt16 == VK_TRUE;
  caps.int64 = features.base.features.shaderInt64 == VK_TRUE;
  caps.float64 = features.base.features.shaderFloat64 == VK_TRUE;
  caps.integer_dot_product = contains(extensions, "VK_KHR_shader_integer_dot_product");
  caps.cooperative_matrix = contains(extensions, "VK_KHR_cooperative_matrix");
  return info;
}

std::string_view device_type_name(DeviceType type) {
  switch (type) {
    case DeviceType::kIntegrated:
      return "integrated GPU";
    case DeviceType::kDiscrete:
      return "discrete GPU";
    case DeviceType::kVirtual:
      return "virtual GPU";
    case DeviceType::kCpu:
      return "CPU";
    case DeviceType::kOther:
      break;
  }
  return "other";
}

std::string version_text(uint32_t version) {
  return std::to_string(VK_API_VERSION_MAJOR(version)) + "." + std::to_string(VK_API_VERSION_MINOR(version)) +
         "." + std::to_string(VK_API_VERSION_PATCH(version));
}

std::string uuid_text(const std::array<uint8_t, 16>& uuid) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[uuid[i] >> 4];
    text += kDigits[uuid[i] & 15];
  }
  return text;
}

Enumeration enumerate() {
  Enumeration result;
  try {
    const Instance instance(false);
    for (VkPhysicalDevice device : instance.physical_devices()) {
      result.devices.push_back(describe(instance.api(), device));
      result.devices.back().index = uint32_t(result.devices.size() - 1);
    }
    if (result.devices.empty()) result.reason = "the installed Vulkan drivers offer no device";
  } catch (const core::Error& error) {
    result.devices.clear();
    result.reason = error.message();
  }
  return result;
}

}  // namespace vulcap::vulkan
