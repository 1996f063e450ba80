// One engine that `vulcap bench` measures, in a process of its own: vulcap itself or a peer. bench/README.md
// has the lines that are exchanged.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/benchmark/measurement.h"
#include "apps/child_process.h"

namespace vulcap::apps {

struct EngineSetup {
  BenchCase of;
  ChildProcess::Setup child;
  std::vector<std::filesystem::path> files;  // the model's, that a cold start reads from disk
  std::filesystem::path caches;              // a folder of its own for compiled pipelines
  double time_limit = 600;                   // seconds that an answer may take
};

class EngineProcess {
 public:
  explicit EngineProcess(EngineSetup setup);

  // Starts the process and waits for its first caption. Throws core::Error with the
  // process's own exit code and message when it fails, here as below.
  void start(bool cold);
  // Ends it, for another start.
  void stop();
  // All images once; unmeasured repetitions warm up.
  void repeat(bool measured);
  // Events of one more pass over the images, see trace.h.
  nlohmann::json profile();
  // Stops the process.
  Measurement finish();

 private:
  nlohmann::json ask(const std::string& request);
  nlohmann::json hear();
  [[noreturn]] void throw_peer_end(const std::string& who);
  void take_outputs(const nlohmann::json& answer);
  void add_images(const nlohmann::json& answer);
  void add_rates(const nlohmann::json& answer);

  EngineSetup setup_;
  std::unique_ptr<ChildProcess> child_;
  Measurement measured_;
};

// Lets go of the files' pages in the page cache; whether none is left there.
bool drop_pages(const std::vector<std::filesystem::path>& files);

}  // namespace vulcap::apps
