// What every task object is loaded with.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "runtime/passes/pass.h"

namespace vulcap::loader {

using GenerationFlags = std::vector<std::pair<std::string, std::string>>;  // name without "--", value

struct LoadOptions {
  std::string dtype = "auto";  // see DtypeRequest
  std::string file;  // the .onnx of this name before all others that could play its part; may be empty
  passes::PassOptions passes;
  bool encoder_only = false;      // load no decoder; only encode() may be called
  std::filesystem::path adapter;  // folder of a PEFT adapter that is merged into the weights; empty: none
};

// Kernel calls that a device left to the CPU, "kernel: reason", with how many calls.
using Fallbacks = std::vector<std::pair<std::string, int>>;

}  // namespace vulcap::loader
