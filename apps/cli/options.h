// Options that several subcommands share.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "apps/cli/cli11_fwd.h"
#include "apps/cli/device_options.h"
#include "apps/cli/hub_options.h"
#include "loader/tasks/load_options.h"
#include "runtime/core/dim.h"

namespace vulcap::apps {

struct ModelOptions : DeviceOptions {
  std::string model;    // a folder, or org/model[:dtype] of a hub; empty: the embedded model
  std::string hf_repo;  // org/model[:dtype] of a hub, whatever folders there are; empty: see `model`
  std::string dtype = "auto";
  HubOptions hub;
  std::string adapter;  // empty: none

  void add_to(CLI::App& command);
  // The model's folder; downloads a model of a hub that the cache lacks.
  std::filesystem::path model_dir() const;
  loader::LoadOptions load_options() const;
};

// transformers' names in kebab-case or snake_case; a flag without a value switches a boolean on.
struct GenerationOptions {
  loader::GenerationFlags flags;

  void add_to(CLI::App& command);
};

// Values of --dim, NAME=SIZE each. Throws core::Error(kUsage).
std::map<core::Symbol, int64_t> parse_dims(const std::vector<std::string>& dims);

}  // namespace vulcap::apps
