// Where the kernel calls of every program ran, for reports.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/plan/plan.h"

namespace vulcap::session {

struct PlacedCall {
  std::string kernel;  // "matmul.f32.f32"
  std::string node;    // of the graph
  bool on_host = false;
  std::string reason;           // why the device did not run it; empty: it did
  uint64_t bytes_crossing = 0;  // a run: what the host reads and writes of the device's memory for it
};

struct PlacedProgram {
  std::string device;  // the back end's name
  std::string graph;   // "pixel_values -> last_hidden_state"
  std::string reason;  // why it runs whole on another device than the one that was opened; empty: it does not
  std::vector<PlacedCall> calls;
  uint64_t runs = 0;
  uint64_t bytes_written = 0;  // to its buffers by the host, in all runs
  uint64_t bytes_read = 0;
};

using Placements = std::vector<std::shared_ptr<PlacedProgram>>;

// `device`: name of the back end that runs the plan, which keeps none of the flags where it is the host
// itself.
PlacedProgram placed(const plan::Plan& plan, std::string device);

}  // namespace vulcap::session
