#include "runtime/session/open_device.h"

#include <cstdlib>

#include "runtime/core/error.h"
#include "runtime/cpu/backend.h"
#include "runtime/cpu/cpu_info.h"
#if VULCAP_VULKAN
#include "runtime/vulkan/backend.h"
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
OpenedDevice open_vulkan(const DeviceRequest& request) {
  const vulkan::Enumeration found = vulkan::enumerate();
  if (found.devices.empty()) throw core::Error(core::ErrorCode::kNoDevice, found.reason);
  const vulkan::Choice choice = vulkan::choose_device(found.devices, request.device);
  if (choice.index < 0) throw core::Error(core::ErrorCode::kNoDevice, choice.reason);
  const vulkan::DeviceInfo& info = found.devices[size_t(choice.index)];
  if (request.device == "auto" && info.caps.type == vulkan::DeviceType::kCpu) {
    throw core::Error(core::ErrorCode::kNoDevice, "the only Vulkan device is a processor (" + info.name +
                                                      "), slower than the CPU back end");
  }
  vulkan::Options options;
  options.pipeline_cache_dir = request.pipeline_cache_dir;
  const auto backend = vulkan::create_backend(info.index, options);
  const auto host = cpu::create_backend({request.threads});
  auto device = std::make_shared<Device>(
      backend, [host](const ops::KernelArgs& args) { host->run_call(args); }, host);
  return {std::move(device), backend->name(), choice.reason, true};
}
#else
OpenedDevice open_vulkan(const DeviceRequest&) {
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
  if (request.device != "auto") return open_vulkan(request);
  try {
    return open_vulkan(request);
  } catch (const core::Error& error) {
    return open_cpu(request, error.message());
  }
}

std::filesystem::path default_cache_dir() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return std::filesystem::path(cache) / "vulcap";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::filesystem::path(home) / ".cache" / "vulcap";
  return {};
}

}  // namespace vulcap::session
