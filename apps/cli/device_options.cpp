#include "apps/cli/device_options.h"

#include <CLI/CLI.hpp>

#include "apps/cli/fallbacks.h"
#include "apps/cli/log.h"
#include "apps/cli/placement_report.h"
#include "apps/device_list.h"
#include "runtime/core/error.h"

namespace vulcap::apps {

void DeviceOptions::add_to(CLI::App& command) {
  command.option_defaults()->group("Device");
  command.add_option("--device", device, "auto, cpu, vulkan, vulkan:N, name:TEXT or uuid:HEX")
      ->capture_default_str();
  command
      .add_flag_callback(
          "--list-devices",
          [] {
            print_devices();
            throw CLI::Success();
          },
          "Print the devices and exit")
      ->trigger_on_parse();
  command
      .add_option(
          "--fallback", fallback,
          "What the CPU may take over from the device: allow it and say so under --verbose only, warn, or "
          "forbid (exit code 4)")
      ->check(CLI::IsMember({"allow", "warn", "forbid"}))
      ->capture_default_str();
  command.add_option("--report", report,
                     "JSON file to write: where every kernel call ran, why, and the bytes that crossed");
  command
      .add_option("-t,--threads", threads,
                  "Threads of the CPU back end; 0: every processor this process may use")
      ->check(CLI::Range(0, 1024));
  command.add_flag(
      "--check-finite", check_finite,
      "Run call by call and stop at the first value with an Inf or NaN that its operands lack (slow)");
  command.option_defaults()->group("Options");
}

session::DeviceRequest DeviceOptions::request() const {
  session::DeviceRequest request;
  request.device = device;
  request.threads = threads;
  request.cache_dir = session::default_cache_dir();
  request.forbid_fallback = fallback == "forbid";
  return request;
}

session::OpenedDevice DeviceOptions::open(const session::DeviceRequest& request) const {
  session::OpenedDevice opened = session::open_device(request);
  for (const std::string& warning : opened.warnings) log_warning(warning);
  opened.device->set_check_finite(check_finite);
  opened.device->on_fall_back([](const std::string& reason) { tell_fallback("fallback to cpu: " + reason); });
  log_detail("device: " + opened.name + " (" + opened.reason + ")");
  if (!report.empty()) opened.device->set_placements(placement_report().add_device(opened));
  return opened;
}

session::OpenedDevice DeviceOptions::open() const {
  show_fallbacks(fallback != "allow");
  if (!report.empty()) placement_report().begin(report, device, fallback);
  session::DeviceRequest wanted = request();
  wanted.probe = probe_command();
  return open(wanted);
}

session::OpenedDevice DeviceOptions::open_again(bool on_cpu) const {
  session::DeviceRequest wanted = request();
  if (on_cpu) wanted.device = "cpu";
  return open(wanted);
}

session::OpenedDevice DeviceOptions::open_for_user() const {
  session::OpenedDevice opened = open();
  if (!log_shows(LogLevel::kDetail) && device == "auto" && !opened.is_vulkan)
    tell_fallback("running on the cpu: " + opened.reason);
  return opened;
}

void DeviceOptions::check_fallback(const std::string& reason) const {
  if (fallback != "forbid") return;
  throw core::Error(
      core::ErrorCode::kNoDevice,
      reason + "; --fallback forbid leaves nothing to the CPU: use --fallback warn, or run again");
}

}  // namespace vulcap::apps
