// What of a device the kernels use, what it lacks, and what that means.
#pragma once

#include <string>
#include <vector>

#include "runtime/vulkan/devices.h"

namespace vulcap::apps {

struct Feature {
  std::string name;
  bool has = false;
  bool used = false;    // by kernels, on this device
  std::string meaning;  // what it brings, or what its absence costs
};

// `device`: as the driver says; `allowed`: what the VULCAP_VK_DISABLE_* variables leave of it.
std::vector<Feature> feature_table(const vulkan::DeviceCaps& device, const vulkan::DeviceCaps& allowed);

}  // namespace vulcap::apps
