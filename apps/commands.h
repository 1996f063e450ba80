// One function a subcommand: adds it to the command line and returns what runs it (the exit code).
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <string>

#include "runtime/session/open_device.h"

namespace vulcap::apps {

using Command = std::function<int()>;

Command add_caption(CLI::App& app);
Command add_devices(CLI::App& app);
Command add_inspect(CLI::App& app);
Command add_verify(CLI::App& app);
Command add_bench(CLI::App& app);

// Options that several subcommands share.
struct ModelOptions {
  std::string model;  // empty: the embedded model
  std::string device = "auto";
  std::string dtype = "auto";
  int threads = 0;
  bool verbose = false;

  void add_to(CLI::App& command);
  std::filesystem::path model_dir() const;
  session::OpenedDevice open() const;
};

}  // namespace vulcap::apps
