// One function a subcommand: adds it to the command line and returns what runs it (the exit code).
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "loader/tasks/load_options.h"
#include "runtime/session/open_device.h"

namespace vulcap::apps {

using Command = std::function<int()>;

Command add_caption(CLI::App& app);
Command add_classify(CLI::App& app);
Command add_ner(CLI::App& app);
Command add_qa(CLI::App& app);
Command add_fill_mask(CLI::App& app);
Command add_embed(CLI::App& app);
Command add_search(CLI::App& app);
Command add_devices(CLI::App& app);
Command add_generate(CLI::App& app);
Command add_inspect(CLI::App& app);
Command add_verify(CLI::App& app);
Command add_bench(CLI::App& app);
Command add_conformance(CLI::App& app);
Command add_run(CLI::App& app);
Command add_transcribe(CLI::App& app);
Command add_conformance_worker(CLI::App& app);
Command add_merge_lora(CLI::App& app);
Command add_tokenize(CLI::App& app);

// Options that several subcommands share.
struct DeviceOptions {
  std::string device = "auto";
  int threads = 0;
  bool verbose = false;
  bool check_finite = false;

  void add_to(CLI::App& command);
  session::OpenedDevice open() const;
};

struct ModelOptions : DeviceOptions {
  std::string model;  // empty: the embedded model
  std::string dtype = "auto";
  std::string adapter;  // empty: none

  void add_to(CLI::App& command);
  std::filesystem::path model_dir() const;
  loader::LoadOptions load_options() const;
};

// transformers' names in kebab-case or snake_case; a flag without a value switches a boolean on.
struct GenerationOptions {
  loader::GenerationFlags flags;

  void add_to(CLI::App& command);
};

// Says each warning, and each reason for which the device left kernels to the CPU, once, on stderr.
class Remarks {
 public:
  void warn(const std::vector<std::string>& warnings);
  void tell(const loader::Fallbacks& fallbacks);

 private:
  std::set<std::string> told_;
};

// Text of JSON whose strings may hold broken UTF-8, which is replaced.
std::string dumped(const nlohmann::json& json, int indent = -1);

// Values of --dim, NAME=SIZE each. Throws core::Error(kUsage).
std::map<core::Symbol, int64_t> parse_dims(const std::vector<std::string>& dims);

}  // namespace vulcap::apps
