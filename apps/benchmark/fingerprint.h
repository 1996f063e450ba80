// Where figures come from: machine, device, driver, build.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "runtime/session/open_device.h"

namespace vulcap::apps {

// {"version", "build_commit", "build_number", "compiler", "os", "cpu_info", "n_cpus", "load_average",
//  "cpu_kernels", "instruction_sets"}
nlohmann::json machine_fingerprint();
// {"gpu_info", "driver", "api_version", "uuid", "features"} of a Vulkan device; empty of the CPU.
nlohmann::json device_fingerprint(const session::OpenedDevice& opened);

}  // namespace vulcap::apps
