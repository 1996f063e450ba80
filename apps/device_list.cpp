#include "apps/device_list.h"

#include <algorithm>
#include <cstdio>

#include "runtime/cpu/cpu_info.h"
#include "runtime/session/open_device.h"
#if VULCAP_VULKAN
#include "runtime/vulkan/probe.h"
#include "runtime/vulkan/visible_devices.h"
#endif

namespace vulcap::apps {
namespace {

void print_cpu() {
  const cpu::CpuInfo info = cpu::cpu_info();
  std::printf("cpu: %s\n  processors: %d\n  kernels: %s\n  instruction sets:",
              info.brand.empty() ? "unknown" : info.brand.c_str(), info.processors, info.kernels.c_str());
  for (const std::string& set : info.instruction_sets) std::printf(" %s", set.c_str());
  std::printf("\n");
}

#if VULCAP_VULKAN
const char* yes(bool value) { return value ? "yes" : "no"; }

void print_device(const vulkan::DeviceInfo& device) {
  const vulkan::DeviceCaps& caps = device.caps;
  std::printf("vulkan:%u: %s\n  type: %s\n  driver: %s\n  api: %s\n  uuid: %s\n", device.index,
              device.name.c_str(), std::string(vulkan::device_type_name(caps.type)).c_str(),
              device.driver.c_str(), vulkan::version_text(device.api_version).c_str(),
              vulkan::uuid_text(device.uuid).c_str());
  std::printf("  memory:");
  for (const vulkan::MemoryHeap& heap : device.heaps)
    std::printf(" %.1f GiB%s", double(heap.bytes) / (1u << 30), heap.device_local ? " (device)" : "");
  std::printf("\n  largest binding: %.0f MiB, largest allocation: %.0f MiB\n",
              double(caps.max_storage_buffer_range) / (1u << 20),
              double(caps.max_allocation_bytes) / (1u << 20));
  std::printf("  subgroup size: %u, arithmetic: %s\n", caps.subgroup_size, yes(caps.subgroup_arithmetic));
  std::printf(
      "  fp16: %s (storage %s), int8: %s (storage %s), int64: %s, fp64: %s, int dot: %s, cooperative matrix: "
      "%s\n",
      yes(caps.float16), yes(caps.storage_16bit), yes(caps.int8), yes(caps.storage_8bit), yes(caps.int64),
      yes(caps.float64), yes(caps.integer_dot_product), yes(caps.cooperative_matrix));
}

void print_vulkan() {
  const vulkan::Enumeration found = probed_devices();
  const vulkan::VisibleDevices visible = vulkan::visible_devices(found.devices, vulkan::Surroundings::own());
  for (const vulkan::DeviceInfo& device : found.devices) {
    print_device(device);
    const bool seen =
        std::any_of(visible.devices.begin(), visible.devices.end(),
                    [&](const vulkan::DeviceInfo& other) { return other.index == device.index; });
    if (!seen) std::printf("  hidden: %s\n", visible.reason.c_str());
    if (!device.unusable.empty()) std::printf("  unusable: %s\n", device.unusable.c_str());
  }
  for (const std::string& problem : found.problems) std::printf("vulkan: %s\n", problem.c_str());
  if (found.devices.empty()) std::printf("vulkan: no device (%s)\n", found.reason.c_str());
}
#else
void print_vulkan() { std::printf("vulkan: this build has no Vulkan back end\n"); }
#endif

std::vector<std::string>& kept_probe_command() {
  static std::vector<std::string> command;
  return command;
}

}  // namespace

std::vector<std::string> probe_command() { return kept_probe_command(); }
void set_probe_command(std::vector<std::string> command) { kept_probe_command() = std::move(command); }

#if VULCAP_VULKAN
vulkan::Enumeration probed_devices() {
  if (probe_command().empty()) return vulkan::enumerate();
  return vulkan::probe({probe_command(), vulkan::kProbeLimit, session::default_cache_dir()});
}
#endif

void print_devices() {
  print_vulkan();
  print_cpu();
}

}  // namespace vulcap::apps
