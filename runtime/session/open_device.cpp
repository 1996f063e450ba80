#include "runtime/session/open_device.h"

#include <cstdlib>

#include "runtime/core/error.h"
#include "runtime/cpu/backend.h"
#include "runtime/cpu/cpu_info.h"
#if VULCAP_VULKAN
#include "runtime/vulkan/backend.h"
#include "runtime/vulkan/probe.h"
#include "runtime/vulkan/visible_devices.h"
#endif

namespace vulcap::session {
namespace {

std::string cpu_name(int threads) {
  const cpu::CpuInfo info = cpu::cpu_info();
  std::string name = info.brand.empty() ? "unknown processor" : info.brand;
  return "cpu (" + name + ", " + info.kernels + ", " + std::to_string(threads) +
         (threads == 1 ? " thread)" : " threads)");
}

OpenedDevice open_cpu(const DeviceRequest& request, std::string reason) {
  const auto backend = cpu::create_backend({request.threads});
  auto device =
      std::make_shared<Device>(backend, [backend](const ops::KernelArgs& args) { backend->run_call(args); });
  return {std::move(device), cpu_name(backend->threads()), std::move(reason), false};
}

#if VULCAP_VULKAN
core::Error no_device(const std::string& reason) { return core::Error(core::ErrorCode::kNoDevice, reason); }

struct ChosenDevice {
  vulkan::DeviceInfo info;
  std::string reason;
};

ChosenDevice choose(const DeviceRequest& request, std::vector<std::string>& warnings) {
  const vulkan::Enumeration found =
      request.probe.empty() ? vulkan::enumerate()
                            : vulkan::probe({request.probe, vulkan::kProbeLimit, request.cache_dir});
  warnings = found.problems;
  if (found.devices.empty()) throw no_device(found.reason);
  const vulkan::VisibleDevices visible = vulkan::visible_devices(found.devices, vulkan::Surroundings::own());
  warnings.insert(warnings.end(), visible.warnings.begin(), visible.warnings.end());
  if (visible.devices.empty())
    throw no_device("no Vulkan device is left of the " + std::to_string(found.devices.size()) +
                    " here: " + visible.reason);
  const vulkan::Choice choice = vulkan::choose_device(visible.devices, request.device);
  const std::string given = visible.reason.empty() ? "" : "; " + visible.reason;
  if (choice.index < 0) throw no_device(choice.reason + given);
  const vulkan::DeviceInfo& info = visible.devices[size_t(choice.index)];
  if (!info.unusable.empty()) throw no_device(info.unusable);
  if (request.device == "auto" && info.caps.type == vulkan::DeviceType::kCpu) {
    throw no_device("the only Vulkan device is a processor (" + info.name +
                    "), slower than the CPU back end" + given);
  }
  return {info, choice.reason + given};
}

OpenedDevice open_vulkan(const DeviceRequest& request, std::vector<std::string>& warnings) {
  const ChosenDevice chosen = choose(request, warnings);
  vulkan::Options options;
  options.pipeline_cache_dir = request.cache_dir;
  options.uuid = chosen.info.uuid;
  std::shared_ptr<plan::Backend> backend;
  try {
    backend = vulkan::create_backend(chosen.info.index, options);
  } catch (core::Error& error) {
    if (error.code() == core::ErrorCode::kUsage) throw;
    throw no_device(chosen.info.name + " cannot be opened: " + error.message());
  }
  const auto host = cpu::create_backend({request.threads});
  auto device = std::make_shared<Device>(
      backend, [host](const ops::KernelArgs& args) { host->run_call(args); }, host);
  return {std::move(device), backend->name(), chosen.reason, true};
}
#else
OpenedDevice open_vulkan(const DeviceRequest&, std::vector<std::string>&) {
  throw core::Error(core::ErrorCode::kNoDevice, "no Vulkan device: this build has no Vulkan back end");
}
#endif

}  // namespace

OpenedDevice open_device(const DeviceRequest& request) {
  if (request.device == "cpu") return open_cpu(request, "asked for");
  const bool known = request.device == "auto" || request.device == "vulkan" ||
                     request.device.starts_with("vulkan:") || request.device.starts_with("name:") ||
                     request.device.starts_with("uuid:");
  if (!known) {
    throw core::Error(
        core::ErrorCode::kUsage,
        "device '" + request.device + "' is none of auto, cpu, vulkan, vulkan:N, name:TEXT, uuid:HEX");
  }
  std::vector<std::string> warnings;
  OpenedDevice opened;
  try {
    opened = open_vulkan(request, warnings);
  } catch (const core::Error& error) {
    if (request.device != "auto" || error.code() != core::ErrorCode::kNoDevice) throw;
    if (request.forbid_fallback) {
      throw core::Error(core::ErrorCode::kNoDevice, error.message() +
                                                        "; --fallback forbid leaves nothing to the CPU: "
                                                        "use --device cpu or --fallback warn");
    }
    opened = open_cpu(request, error.message());
  }
  opened.warnings = std::move(warnings);
  opened.device->forbid_fallback(request.forbid_fallback);
  return opened;
}

std::filesystem::path default_cache_dir() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return std::filesystem::path(cache) / "vulcap";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::filesystem::path(home) / ".cache" / "vulcap";
  return {};
}

}  // namespace vulcap::session
