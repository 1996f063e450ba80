#include <cstdio>

#include "apps/commands.h"
#include "runtime/cpu/cpu_info.h"
#if VULCAP_VULKAN
#include "runtime/vulkan/devices.h"
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
  const vulkan::Enumeration found = vulkan::enumerate();
  for (const vulkan::DeviceInfo& device : found.devices) print_device(device);
  if (found.devices.empty()) std::printf("vulkan: no device (%s)\n", found.reason.c_str());
}
#else
void print_vulkan() { std::printf("vulkan: this build has no Vulkan back end\n"); }
#endif

}  // namespace

Command add_devices(CLI::App& app) {
  app.add_subcommand("devices", "List Vulkan devices and the CPU with the features that matter");
  return [] {
    print_vulkan();
    print_cpu();
    return 0;
  };
}

}  // namespace vulcap::apps
