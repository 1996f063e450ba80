// --report FILE.json: where every kernel call ran and why, written when the command ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/session/open_device.h"
#include "runtime/session/placement.h"

namespace vulcap::apps {

class PlacementReport {
 public:
  // What was asked for. Throws core::Error(kRuntime) when the file cannot be written.
  void begin(const std::string& file, const std::string& requested, const std::string& fallback);
  // A device that was opened; its programs are to be entered in what is returned.
  std::shared_ptr<session::Placements> add_device(const session::OpenedDevice& opened);
  // What happened to a device: it was lost, its memory was full.
  void add_event(const std::string& line);
  // Does nothing where no report was begun. Throws core::Error(kRuntime).
  void write(int exit_code);

 private:
  struct Opened {
    std::string name, reason;
    std::shared_ptr<session::Placements> placements;
  };

  std::string file_;
  std::string requested_;
  std::string fallback_;
  std::vector<Opened> opened_;
  std::vector<std::string> events_;
};

// Of this process.
PlacementReport& placement_report();

}  // namespace vulcap::apps
