// What a probe found, kept in a file for as long as nothing changes that drivers depend on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "runtime/vulkan/devices.h"
#include "runtime/vulkan/drivers.h"

namespace vulcap::vulkan {

class ProbeCache {
 public:
  // `folder` empty: nothing is kept.
  ProbeCache(const std::filesystem::path& folder, const Surroundings& surroundings);

  std::optional<Enumeration> read() const;
  // Does without where the folder cannot be written.
  void write(const Enumeration& found) const;

 private:
  std::filesystem::path file_;
  std::string key_;
  bool gpu_files_ = false;
};

// A line that changes with the drivers' files and the loader's, the device files and which of them this user
// may open, the variables that drivers read, the job of a queue, and the boot.
std::string probe_key(const Surroundings& surroundings);

}  // namespace vulcap::vulkan
