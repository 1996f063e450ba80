#include "apps/benchmark/fingerprint.h"

#include <build_info.h>
#include <sys/utsname.h>

#include <charconv>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "runtime/cpu/cpu_info.h"
#if VULCAP_VULKAN
#include "runtime/vulkan/devices.h"
#endif

namespace vulcap::apps {
namespace {

using nlohmann::json;

std::string system_name() {
  utsname name{};
  if (uname(&name) != 0) return "unknown";
  return std::string(name.sysname) + " " + name.release + " " + name.machine;
}

#if VULCAP_VULKAN
json features_of(const vulkan::DeviceCaps& caps) {
  const std::pair<const char*, bool> known[] = {{"subgroup arithmetic", caps.subgroup_arithmetic},
                                                {"16-bit storage", caps.storage_16bit},
                                                {"8-bit storage", caps.storage_8bit},
                                                {"fp16", caps.float16},
                                                {"int8", caps.int8},
                                                {"int64", caps.int64},
                                                {"fp64", caps.float64},
                                                {"integer dot product", caps.integer_dot_product},
                                                {"cooperative matrix", caps.cooperative_matrix}};
  json features = json::array();
  for (const auto& [name, present] : known)
    if (present) features.push_back(name);
  return features;
}

json described(const vulkan::DeviceInfo& device) {
  return {{"gpu_info", device.name},
          {"driver", device.driver},
          {"api_version", vulkan::version_text(device.api_version)},
          {"uuid", vulkan::uuid_text(device.uuid)},
          {"subgroup_size", device.caps.subgroup_size},
          {"features", features_of(device.caps)}};
}
#endif

}  // namespace

json machine_fingerprint() {
  const cpu::CpuInfo cpu = cpu::cpu_info();
  double load = 0;
  getloadavg(&load, 1);
  return {{"version", VULCAP_VERSION},
          {"build_commit", VULCAP_BUILD_COMMIT},
          {"build_number", VULCAP_BUILD_NUMBER},
          {"compiler", __VERSION__},
          {"os", system_name()},
          {"cpu_info", cpu.brand},
          {"n_cpus", cpu.processors},
          {"load_average", load},
          {"cpu_kernels", cpu.kernels},
          {"instruction_sets", cpu.instruction_sets}};
}

json device_fingerprint(const session::OpenedDevice& opened) {
#if VULCAP_VULKAN
  // A Vulkan device is named "vulkan:N ...".
  const std::string prefix = "vulkan:";
  uint32_t index = 0;
  if (opened.is_vulkan && opened.name.starts_with(prefix) &&
      std::from_chars(opened.name.data() + prefix.size(), opened.name.data() + opened.name.size(), index)
              .ec == std::errc()) {
    for (const vulkan::DeviceInfo& device : vulkan::enumerate().devices)
      if (device.index == index) return described(device);
  }
#endif
  (void)opened;
  return json::object();
}

}  // namespace vulcap::apps
