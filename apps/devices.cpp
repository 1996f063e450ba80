#include <CLI/CLI.hpp>

#include "apps/commands.h"
#include "apps/device_list.h"
#if VULCAP_VULKAN
#include "runtime/vulkan/probe.h"
#endif

namespace vulcap::apps {

Command add_devices(CLI::App& app) {
  app.add_subcommand("devices", "List Vulkan devices and the CPU with the features that matter");
  return [] {
    print_devices();
    return 0;
  };
}

Command add_probe_devices(CLI::App& app) {
  app.add_subcommand("probe-devices", "The child that asks the drivers for their devices")->group("");
#if VULCAP_VULKAN
  return [] { return vulkan::answer_probe(); };
#else
  return [] { return 0; };
#endif
}

}  // namespace vulcap::apps
