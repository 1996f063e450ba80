// `vulcap bench --graph FILE`: one graph of any model folder on seeded inputs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/session/open_device.h"

namespace vulcap::apps {

struct GraphBenchOptions {
  std::filesystem::path file;
  std::vector<std::string> dims;  // NAME=SIZE of symbolic dims; others are 1
  int prompt = 1;                 // positions of a decoder's first call
  int steps = 8;                  // its further calls, of one position each
  int rounds = 5;
  bool json = false;
  bool profile = false;         // times of each kind of kernel call, on stderr
  std::filesystem::path trace;  // the same call by call as a Chrome trace; empty: none
  std::filesystem::path dump;   // folder for the outputs as .npy; empty: none
};

int bench_graph(const GraphBenchOptions& options, const session::OpenedDevice& opened);

}  // namespace vulcap::apps
