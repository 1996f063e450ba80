#include "runtime/vulkan/instance.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "runtime/core/error.h"

namespace vulcap::vulkan {
namespace {

constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";

std::atomic<uint64_t> message_count{0};

VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT,
                                          VkDebugUtilsMessageTypeFlagsEXT,
                                          const VkDebugUtilsMessengerCallbackDataEXT* data, void*) {
  ++message_count;
  std::fprintf(stderr, "Vulkan validation: %s\n", data->pMessage);
  return VK_FALSE;
}

VkDebugUtilsMessengerCreateInfoEXT messenger_info() {
  auto info =
      structure<VkDebugUtilsMessengerCreateInfoEXT>(VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT);
  info.messageSeverity =
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  info.pfnUserCallback = on_message;
  return info;
}

bool has_layer(const GlobalApi& api, const char* name) {
  uint32_t count = 0;
  if (api.vkEnumerateInstanceLayerProperties(&count, nullptr) != VK_SUCCESS) return false;
  std::vector<VkLayerProperties> layers(count);
  if (api.vkEnumerateInstanceLayerProperties(&count, layers.data()) != VK_SUCCESS) return false;
  return std::any_of(layers.begin(), layers.end(),
                     [&](const VkLayerProperties& layer) { return std::strcmp(layer.layerName, name) == 0; });
}

core::Error no_device(const std::string& reason) {
  return core::Error(core::ErrorCode::kNoDevice, "no Vulkan device: " + reason);
}

}  // namespace

uint64_t validation_messages() { return message_count; }

Instance::Instance(bool validation) {
  const std::string problem = load_global_api(global_);
  if (!problem.empty()) throw no_device(problem);
  if (validation && !has_layer(global_, kValidationLayer)) {
    throw no_device(std::string("validation was asked for and ") + kValidationLayer + " is not installed");
  }
  create(validation);
  if (const char* missing = load_instance_api(global_, instance_, api_)) {
    throw no_device(std::string("the Vulkan loader has no ") + missing);
  }
  if (validation) watch_messages();
}

void Instance::create(bool validation) {
  uint32_t loader_version = VK_API_VERSION_1_0;
  check(global_.vkEnumerateInstanceVersion(&loader_version), "vkEnumerateInstanceVersion");
  auto application = structure<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
  application.pApplicationName = "vulcap";
  application.apiVersion = std::min<uint32_t>(loader_version, VK_API_VERSION_1_2);

  const VkValidationFeatureEnableEXT synchronization =
      VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
  VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info();
  auto features = structure<VkValidationFeaturesEXT>(VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT);
  features.pNext = &messenger;
  features.enabledValidationFeatureCount = 1;
  features.pEnabledValidationFeatures = &synchronization;
  const char* extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME};

  auto info = structure<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  info.pApplicationInfo = &application;
  if (validation) {
    info.pNext = &features;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &kValidationLayer;
    info.enabledExtensionCount = 2;
    info.ppEnabledExtensionNames = extensions;
  }
  const VkResult result = global_.vkCreateInstance(&info, nullptr, &instance_);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
    throw no_device("no Vulkan driver (ICD) is installed or it does not load");
  if (result != VK_SUCCESS) throw no_device("vkCreateInstance failed with " + result_name(result));
}

void Instance::watch_messages() {
  const auto create_messenger = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
      global_.vkGetInstanceProcAddr(instance_, "vkCreateDebugUtilsMessengerEXT"));
  if (create_messenger == nullptr) throw no_device("the validation layer has no VK_EXT_debug_utils");
  const VkDebugUtilsMessengerCreateInfoEXT info = messenger_info();
  check(create_messenger(instance_, &info, nullptr, &messenger_), "vkCreateDebugUtilsMessengerEXT");
}

Instance::~Instance() {
  if (instance_ == VK_NULL_HANDLE) return;
  if (messenger_ != VK_NULL_HANDLE) {
    reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(global_.vkGetInstanceProcAddr(
        instance_, "vkDestroyDebugUtilsMessengerEXT"))(instance_, messenger_, nullptr);
  }
  if (api_.vkDestroyInstance != nullptr) api_.vkDestroyInstance(instance_, nullptr);
}

std::vector<VkPhysicalDevice> Instance::physical_devices() const {
  uint32_t count = 0;
  VkResult result = api_.vkEnumeratePhysicalDevices(instance_, &count, nullptr);
  std::vector<VkPhysicalDevice> devices(count);
  if (result == VK_SUCCESS && count > 0)
    result = api_.vkEnumeratePhysicalDevices(instance_, &count, devices.data());
  if (result != VK_SUCCESS) throw no_device("vkEnumeratePhysicalDevices failed with " + result_name(result));
  return devices;
}

}  // namespace vulcap::vulkan
