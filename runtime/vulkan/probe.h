// Asks the drivers for their devices in a child process, so that one that crashes or hangs costs a line and
// not the program.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/vulkan/devices.h"

namespace vulcap::vulkan {

// A machine with many GPUs wakes them one by one.
inline constexpr std::chrono::milliseconds kProbeLimit{30000};

struct Probe {
  // A program that calls answer_probe(), and its arguments.
  std::vector<std::string> command;
  std::chrono::milliseconds limit = kProbeLimit;
  // Where what was found is kept for as long as drivers, device files, variables and boot stay the same;
  // empty: nowhere.
  std::filesystem::path cache_dir;
};

// Where the child fails, each driver is asked in a child of its own; those that fail are left out and named
// in Enumeration::problems, and this process's environment is changed so that the loader leaves them out too.
// To be called before other threads run. VULCAP_VK_PROBE_TIMEOUT (seconds) replaces the limit.
Enumeration probe(const Probe& request);

// One driver, asked alone.
struct DriverAnswer {
  std::filesystem::path manifest;
  std::vector<DeviceInfo> devices;  // numbered from 0
  std::string failure;              // "crashes (SIGSEGV)"; empty: it answered
};
// Every driver of the loader's list in a child of its own; nothing is kept, and nothing changed.
std::vector<DriverAnswer> probe_each(const Probe& request);
// Changes this process's environment so that the loader leaves out the drivers that failed. Returns a line each.
std::vector<std::string> leave_out_failing(const std::vector<DriverAnswer>& answers);

// The child's part: writes enumerate() with a logical device made of each to stdout. Returns the exit code.
int answer_probe();

}  // namespace vulcap::vulkan
