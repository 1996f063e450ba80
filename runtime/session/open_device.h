// From a device request to a device with its fallback, in one place for every program.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "runtime/session/program.h"

namespace vulcap::session {

struct DeviceRequest {
  std::string device = "auto";           // auto | cpu | vulkan | vulkan:N | name:TEXT | uuid:HEX
  int threads = 0;                       // of the CPU back end; 0: all processors this process may use
  std::filesystem::path cache_dir = {};  // of pipelines and of what drivers offer; empty: nothing is kept
  bool forbid_fallback = false;          // of "auto" to the CPU, and of kernel calls of the Vulkan device
  // A program that answers vulkan::answer_probe(), so that drivers are asked in a child process; empty: they
  // are asked in this one.
  std::vector<std::string> probe = {};
};

struct OpenedDevice {
  std::shared_ptr<Device> device;
  std::string name;    // "cpu (AMD EPYC, avx3, 2 threads)", "vulkan:0 llvmpipe ..."
  std::string reason;  // why this one; why no Vulkan device when the CPU runs
  bool is_vulkan = false;
  std::vector<std::string> warnings = {};  // drivers left out, variables that name no device
};

// "auto" takes a Vulkan GPU when there is one, else the CPU. A processor that poses as a Vulkan device
// (llvmpipe) is slower than the CPU back end and is taken only when asked for. Of the devices, those count
// that vulkan::visible_devices() leaves. Throws Error(kNoDevice) when a Vulkan device is asked for and there
// is none, or a fallback is forbidden; Error(kUsage) for a request that is not understood.
OpenedDevice open_device(const DeviceRequest& request);

// $XDG_CACHE_HOME/vulcap, or ~/.cache/vulcap; empty when neither is set.
std::filesystem::path default_cache_dir();

}  // namespace vulcap::session
