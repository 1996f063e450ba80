#include "runtime/vulkan/probe_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>

#include "runtime/core/hash.h"
#include "runtime/vulkan/device_text.h"

namespace vulcap::vulkan {
namespace {

namespace fs = std::filesystem;

// Beginnings of variables that the loader, its layers and drivers read, or that tell one job from another.
constexpr std::array<std::string_view, 22> kVariables = {
    "VK_",      "MESA_", "LIBGL",    "DRI_",    "RADV_",           "AMD_",         "ANV_",
    "INTEL_",   "LVP_",  "GALLIUM_", "LP_",     "NVIDIA_",         "__NV",         "__GL",
    "__EGL",    "LD_",   "XDG_",     "DISPLAY", "WAYLAND_DISPLAY", "SLURM_JOB_ID", "SLURM_STEP_ID",
    "PBS_JOBID"};

void add_stat(const Surroundings& surroundings, const fs::path& file, std::string& text) {
  struct stat info {};
  const std::string path = surroundings.path(file).string();
  if (stat(path.c_str(), &info) != 0) return;
  for (const auto number : {uint64_t(info.st_ino), uint64_t(info.st_size), uint64_t(info.st_mtim.tv_sec),
                            uint64_t(info.st_mtim.tv_nsec)})
    text += std::to_string(number) + ",";
  text += file.string() + "\n";
}

void add_folder(const Surroundings& surroundings, const fs::path& folder, std::string_view prefix,
                std::string& text) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(surroundings.path(folder), error)) {
    const std::string name = entry.path().filename().string();
    const bool opens = access(entry.path().c_str(), R_OK | W_OK) == 0;
    if (name.starts_with(prefix)) names.push_back(name + (opens ? " opens" : " does not open"));
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) text += (folder / name).string() + "\n";
}

// Nodes that a GPU's kernel driver makes.
bool has_gpu_files(const Surroundings& surroundings) {
  std::error_code error;
  return fs::exists(surroundings.path("/dev/nvidiactl"), error) ||
         fs::exists(surroundings.path("/dev/dri"), error) || fs::exists(surroundings.path("/dev/dxg"), error);
}

// A GPU that did not answer, or cannot be used, may do so a minute later.
bool lasts(const Enumeration& found, bool gpu_files) {
  const bool usable = std::all_of(found.devices.begin(), found.devices.end(),
                                  [](const DeviceInfo& info) { return info.unusable.empty(); });
  const bool gpu = std::any_of(found.devices.begin(), found.devices.end(),
                               [](const DeviceInfo& info) { return info.caps.type != DeviceType::kCpu; });
  return usable && (gpu || !gpu_files);
}

}  // namespace

std::string probe_key(const Surroundings& surroundings) {
  std::string text;
  for (const auto& [name, value] : surroundings.variables) {
    const bool counts = std::any_of(kVariables.begin(), kVariables.end(),
                                    [&](std::string_view prefix) { return name.starts_with(prefix); });
    if (counts) text += name + "=" + value + "\n";
  }
  for (const fs::path& manifest : driver_manifests(surroundings)) add_stat(surroundings, manifest, text);
  // A package that brings a driver or a loader changes these; ld.so.cache is rewritten with them.
  for (const char* file : {"/etc/ld.so.cache", "/usr/share/vulkan/implicit_layer.d",
                           "/etc/vulkan/implicit_layer.d", "/proc/self/exe", "/proc/driver/nvidia/version"})
    add_stat(surroundings, file, text);
  add_folder(surroundings, "/dev/dri", "", text);
  add_folder(surroundings, "/dev", "nvidia", text);
  add_folder(surroundings, "/dev", "dxg", text);
  std::ifstream boot(surroundings.path("/proc/sys/kernel/random/boot_id"));
  text.append(std::istreambuf_iterator<char>(boot), {});
  std::ostringstream key;
  key << std::hex << core::hash_bytes(std::as_bytes(std::span(text)));
  return key.str();
}

ProbeCache::ProbeCache(const fs::path& folder, const Surroundings& surroundings) {
  // Whoever asks the loader to speak wants to hear it.
  if (folder.empty() || !surroundings.variable("VK_LOADER_DEBUG").empty()) return;
  file_ = folder / "devices.txt";
  key_ = probe_key(surroundings);
  gpu_files_ = has_gpu_files(surroundings);
}

std::optional<Enumeration> ProbeCache::read() const {
  if (file_.empty()) return std::nullopt;
  std::ifstream in(file_, std::ios::binary);
  std::string key;
  if (!std::getline(in, key) || key != key_) return std::nullopt;
  const std::string text(std::istreambuf_iterator<char>(in), {});
  return parse_enumeration(text);
}

void ProbeCache::write(const Enumeration& found) const {
  if (file_.empty() || !lasts(found, gpu_files_)) return;
  std::error_code error;
  fs::create_directories(file_.parent_path(), error);
  const fs::path temporary = file_.string() + "." + std::to_string(getpid()) + ".tmp";
  std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
  out << key_ << "\n" << enumeration_text(found);
  out.close();
  if (out) fs::rename(temporary, file_, error);
  if (!out || error) fs::remove(temporary, error);
}

}  // namespace vulcap::vulkan
