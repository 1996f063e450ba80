#include "apps/diagnosis/machine.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/vulkan/devices.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;
using vulkan::Surroundings;

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

uint32_t hex_number(const std::string& text) {
  try {
    return uint32_t(std::stoul(text, nullptr, 16));
  } catch (const std::exception&) {
    return 0;
  }
}

// Where the dynamic linker looks: LD_LIBRARY_PATH, the lines of ld.so.conf, the usual folders.
std::vector<fs::path> library_folders(const Surroundings& surroundings) {
  std::vector<fs::path> folders;
  std::istringstream given(surroundings.variable("LD_LIBRARY_PATH"));
  for (std::string item; std::getline(given, item, ':');) {
    if (!item.empty()) folders.emplace_back(item);
  }
  std::vector<fs::path> settings = entries(surroundings.path("/etc/ld.so.conf.d"));
  settings.push_back(surroundings.path("/etc/ld.so.conf"));
  for (const fs::path& file : settings) {
    std::istringstream lines(read_text(file));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("/")) folders.emplace_back(line);
    }
  }
  for (const char* folder : {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu",
                             "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib", "/lib",
                             "/usr/local/lib", "/usr/lib/wsl/lib"})
    folders.emplace_back(folder);
  return folders;
}

DriverFile read_driver(const Surroundings& surroundings, const fs::path& manifest) {
  DriverFile driver{manifest, {}, {}, {}};
  const fs::path file = surroundings.path(manifest);
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {
    driver.problem = "there is no such file";
    return driver;
  }
  const auto json = nlohmann::json::parse(read_text(file), nullptr, false);
  const auto icd = json.is_object() ? json.find("ICD") : json.end();
  if (icd == json.end() || !icd->is_object() || !icd->contains("library_path") ||
      !(*icd)["library_path"].is_string()) {
    driver.problem = "it is no driver manifest: it holds no ICD.library_path";
    return driver;
  }
  driver.library = (*icd)["library_path"];
  const fs::path library = driver.library;
  if (driver.library.find('/') == std::string::npos) {
    driver.found = find_library(surroundings, driver.library);
  } else {
    const fs::path whole = library.is_absolute() ? library : manifest.parent_path() / library;
    if (fs::exists(surroundings.path(whole), error)) driver.found = whole.lexically_normal();
  }
  if (!driver.found) driver.problem = "its library " + driver.library + " is not installed";
  return driver;
}

std::vector<PciGpu> read_gpus(const Surroundings& surroundings) {
  std::vector<PciGpu> gpus;
  for (const fs::path& folder : entries(surroundings.path("/sys/bus/pci/devices"))) {
    // 0x03: display controllers; 0x0b40: processing accelerators, and NVIDIA's data center GPUs are 3D
    // controllers.
    const uint32_t kind = hex_number(read_text(folder / "class")) >> 16;
    if (kind != 0x03) continue;
    PciGpu gpu;
    gpu.address = folder.filename().string();
    gpu.vendor = hex_number(read_text(folder / "vendor"));
    gpu.device = hex_number(read_text(folder / "device"));
    std::error_code error;
    const fs::path driver = fs::read_symlink(folder / "driver", error);
    if (!error) gpu.kernel_driver = driver.filename().string();
    gpus.push_back(gpu);
  }
  return gpus;
}

void add_nodes(const Surroundings& surroundings, const fs::path& folder, const std::string& prefix,
               std::vector<DeviceNode>& nodes) {
  for (const fs::path& path : entries(surroundings.path(folder))) {
    struct stat info {};
    if (!path.filename().string().starts_with(prefix) || stat(path.c_str(), &info) != 0 ||
        S_ISDIR(info.st_mode))
      continue;
    nodes.push_back({folder / path.filename(), access(path.c_str(), R_OK | W_OK) == 0, info.st_gid});
  }
}

std::string read_container(const Surroundings& surroundings) {
  std::error_code error;
  const auto there = [&](const char* path) { return fs::exists(surroundings.path(path), error); };
  if (!surroundings.variable("KUBERNETES_SERVICE_HOST").empty()) return "kubernetes";
  for (const char* name : {"APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"}) {
    if (!surroundings.variable(name).empty()) return "apptainer";
  }
  if (there("/run/.containerenv")) return "podman";
  if (there("/.dockerenv")) return "docker";
  return surroundings.variable("container");
}

// "MemTotal: 16316412 kB"
uint64_t memory_line(const std::string& text, const std::string& name) {
  const size_t at = text.find(name + ":");
  if (at == std::string::npos) return 0;
  return std::strtoull(text.c_str() + at + name.size() + 1, nullptr, 10) << 10;
}

void read_memory(const Surroundings& surroundings, Machine& machine) {
  const std::string text = read_text(surroundings.path("/proc/meminfo"));
  machine.memory_bytes = memory_line(text, "MemTotal");
  machine.available_bytes = memory_line(text, "MemAvailable");
  const std::string limit = read_text(surroundings.path("/sys/fs/cgroup/memory.max"));
  const std::string used = read_text(surroundings.path("/sys/fs/cgroup/memory.current"));
  if (limit.empty() || limit == "max") return;
  const uint64_t most = std::strtoull(limit.c_str(), nullptr, 10);
  const uint64_t taken = std::strtoull(used.c_str(), nullptr, 10);
  machine.memory_bytes = std::min(machine.memory_bytes, most);
  machine.available_bytes = std::min(machine.available_bytes, most - std::min(most, taken));
}

// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 ..."
std::string read_nvidia_version(const Surroundings& surroundings) {
  std::istringstream words(read_text(surroundings.path("/proc/driver/nvidia/version")));
  for (std::string word; words >> word;) {
    const bool version = std::count(word.begin(), word.end(), '.') >= 1 &&
                         word.find_first_not_of("0123456789.") == std::string::npos;
    if (version) return word;
  }
  return {};
}

}  // namespace

bool Machine::has_node(const std::string& prefix) const {
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](const DeviceNode& node) { return node.path.string().starts_with(prefix); });
}

bool Machine::has_gpu(uint32_t vendor) const {
  return std::any_of(gpus.begin(), gpus.end(), [&](const PciGpu& gpu) { return gpu.vendor == vendor; });
}

std::optional<fs::path> find_library(const Surroundings& surroundings, const std::string& name) {
  std::error_code error;
  for (const fs::path& folder : library_folders(surroundings)) {
    if (fs::exists(surroundings.path(folder / name), error)) return folder / name;
  }
  return std::nullopt;
}

std::string vendor_name(uint32_t vendor) {
  switch (vendor) {
    case vulkan::kNvidia:
      return "NVIDIA";
    case vulkan::kAmd:
      return "AMD";
    case vulkan::kIntel:
      return "Intel";
    default: {
      char text[24];
      std::snprintf(text, sizeof text, "vendor %04x", vendor);
      return text;
    }
  }
}

Machine read_machine(const Surroundings& surroundings) {
  Machine machine;
  machine.surroundings = surroundings;
  machine.loader = find_library(surroundings, "libvulkan.so.1");
  for (const fs::path& manifest : vulkan::driver_manifests(surroundings))
    machine.drivers.push_back(read_driver(surroundings, manifest));
  machine.gpus = read_gpus(surroundings);
  add_nodes(surroundings, "/dev", "nvidia", machine.nodes);
  add_nodes(surroundings, "/dev/dri", "renderD", machine.nodes);
  add_nodes(surroundings, "/dev", "kfd", machine.nodes);
  add_nodes(surroundings, "/dev", "dxg", machine.nodes);
  machine.nvidia_version = read_nvidia_version(surroundings);
  machine.container = read_container(surroundings);
  read_memory(surroundings, machine);
  return machine;
}

}  // namespace vulcap::apps
