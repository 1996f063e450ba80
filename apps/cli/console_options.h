// Options of every subcommand: what it says beside its results, and how.
#pragma once

#include <string>

#include "apps/cli/cli11_fwd.h"

namespace vulcap::apps {

struct ConsoleOptions {
  bool quiet = false;
  bool verbose = false;
  std::string color = "auto";
  std::string progress = "auto";
  std::string log_file;
  std::string log_jsonl;

  // Leaves out what the subcommand has under the same name.
  void add_to(CLI::App& command);
  // Sets up console, log and progress for the subcommand that was chosen. Throws core::Error.
  void apply(const CLI::App& command) const;
};

}  // namespace vulcap::apps
