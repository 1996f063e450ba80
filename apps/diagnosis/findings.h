// What keeps a machine's GPU from being used, or will surprise, with what to do about it.
#pragma once

#include <string>
#include <vector>

#include "apps/diagnosis/machine.h"
#include "runtime/vulkan/probe.h"
#include "runtime/vulkan/visible_devices.h"

namespace vulcap::apps {

struct Finding {
  bool problem = true;  // else a remark
  std::string code;     // for programs, "no-loader"
  std::string what;
  std::string remedy;  // empty: nothing needs to be done
};

// What the checks look at.
struct Case {
  Machine machine;
  vulkan::Enumeration found;
  std::vector<vulkan::DriverAnswer> answers;  // of each driver alone
  vulkan::VisibleDevices visible;

  bool has_gpu_device(uint32_t vendor) const;  // that Vulkan offers
  bool only_software() const;                  // there are devices, and all are processors
};

std::vector<Finding> diagnose(const Case& c);

}  // namespace vulcap::apps
