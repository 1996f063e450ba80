// The devices that this machine has, for people.
#pragma once

#include <string>
#include <vector>

#if VULCAP_VULKAN
#include "runtime/vulkan/devices.h"
#endif

namespace vulcap::apps {

// The program that asks the drivers for their devices as a child of this one, and its arguments; empty, as
// long as nobody sets it: this process asks them itself.
std::vector<std::string> probe_command();
void set_probe_command(std::vector<std::string> command);

#if VULCAP_VULKAN
// What a child process found, or what is kept of it.
vulkan::Enumeration probed_devices();
#endif

// On stdout: Vulkan's devices and the CPU, with the features that matter.
void print_devices();

}  // namespace vulcap::apps
