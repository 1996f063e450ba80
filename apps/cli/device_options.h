// Where a subcommand runs, and what it may leave to the CPU.
#pragma once

#include <string>

#include "apps/cli/cli11_fwd.h"
#include "runtime/session/open_device.h"

namespace vulcap::apps {

struct DeviceOptions {
  std::string device = "auto";
  int threads = 0;
  bool check_finite = false;
  std::string fallback = "warn";  // allow, warn or forbid
  std::string report;             // file for the placement of every kernel call; empty: none

  void add_to(CLI::App& command);
  session::OpenedDevice open() const;
  // The same; says on stderr where it runs when nobody asked for the CPU.
  session::OpenedDevice open_for_user() const;
  // After the device failed: the same one anew, or the CPU.
  session::OpenedDevice open_again(bool on_cpu) const;
  // Throws core::Error(kNoDevice) with `reason` where the CPU must not take over.
  void check_fallback(const std::string& reason) const;

 private:
  session::OpenedDevice open(const session::DeviceRequest& request) const;
  session::DeviceRequest request() const;
};

}  // namespace vulcap::apps
