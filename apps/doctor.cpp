#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "runtime/cpu/cpu_info.h"
#if VULCAP_VULKAN
#include "apps/diagnosis/diagnosis.h"
#endif

namespace vulcap::apps {
namespace {

struct Options {
  DeviceOptions device;
  bool json = false;
};

#if VULCAP_VULKAN
int run(const Options& options) {
  const Diagnosis diagnosis = examine(options.device);
  const std::string text =
      options.json ? dumped(diagnosis_json(diagnosis), 2) + "\n" : diagnosis_text(diagnosis);
  std::printf("%s", text.c_str());
  return diagnosis.exit_code;
}
#else
int run(const Options&) {
  const cpu::CpuInfo info = cpu::cpu_info();
  std::printf("This build has no Vulkan back end: everything runs on the CPU (%s, kernels %s).\n",
              info.brand.c_str(), info.kernels.c_str());
  return 0;
}
#endif

}  // namespace

Command add_doctor(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *app.add_subcommand(
      "doctor", "Explain what will run where and why, and what to do where a GPU is not used");
  command.footer(
      "Examples:\n"
      "  vulcap doctor                     where captions run on this machine, and what could be better\n"
      "  vulcap doctor --device vulkan     the same; exit code 4 where no Vulkan device can be used\n"
      "  vulcap doctor --json              for programs: every finding has a code");
  options->device.add_to(command);
  command.add_flag("--json", options->json, "The same as one JSON object");
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
