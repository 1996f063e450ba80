// What of a machine decides whether Vulkan works on it: files, device nodes, drivers, container, memory. Read
// under a root, so that machines that are not at hand can be made up.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/vulkan/drivers.h"

namespace vulcap::apps {

// A driver manifest (ICD) and the library that it names.
struct DriverFile {
  std::filesystem::path manifest;
  std::string library;                         // as the manifest has it
  std::optional<std::filesystem::path> found;  // where that lies; empty: nowhere
  std::string problem;                         // why the manifest is of no use; empty: it is
};

// A GPU on the PCI bus, whether or not a driver serves it.
struct PciGpu {
  std::string address;  // "0000:3b:00.0"
  uint32_t vendor = 0;
  uint32_t device = 0;
  std::string kernel_driver;  // "nvidia", "amdgpu", "i915", ...; empty: none is bound
};

struct DeviceNode {
  std::filesystem::path path;
  bool opens = false;  // for reading and writing, by this user
  uint32_t group = 0;  // that owns it
};

struct Machine {
  vulkan::Surroundings surroundings;
  std::optional<std::filesystem::path> loader;  // libvulkan.so.1
  std::vector<DriverFile> drivers;
  std::vector<PciGpu> gpus;
  std::vector<DeviceNode> nodes;  // /dev/nvidia*, /dev/dri/renderD*, /dev/kfd, /dev/dxg
  std::string nvidia_version;     // of NVIDIA's kernel module; empty: it is not loaded
  std::string container;          // "docker", "podman", "kubernetes", "apptainer"; empty: none is noticed
  uint64_t memory_bytes = 0;      // of the machine, or of the control group where that is less
  uint64_t available_bytes = 0;

  bool has_node(const std::string& prefix) const;
  bool has_gpu(uint32_t vendor) const;
};

Machine read_machine(const vulkan::Surroundings& surroundings);

// A library by its file name in the folders that the dynamic linker searches.
std::optional<std::filesystem::path> find_library(const vulkan::Surroundings& surroundings,
                                                  const std::string& name);

std::string vendor_name(uint32_t vendor);

}  // namespace vulcap::apps
