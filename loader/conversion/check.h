// Whether a model is valid, and whether and how it would run here.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "loader/conversion/check_structure.h"
#include "loader/seeded_inputs.h"
#include "loader/tasks/load_options.h"
#include "runtime/session/program.h"

namespace vulcap::conversion {

// One plan for one set of input sizes.
struct PlannedRun {
  std::string inputs;   // "input_ids i64[1,4], pixel_values f32[1,3,224,224]"
  std::string problem;  // why there is no plan; empty: there is
  size_t calls = 0;
  loader::Fallbacks left_to_cpu;
  uint64_t weight_bytes = 0, activation_bytes = 0;
};

struct FileCheck {
  std::filesystem::path path;
  Structure structure;
  std::vector<std::string> inputs, outputs;  // "logits f32[batch,sequence,50257]"
  std::string not_supported;                 // what vulcap lacks for this model; empty: nothing
  std::vector<PlannedRun> runs;   // one; with switches (use_cache_branch) one for all on and one for all off
  std::vector<Finding> findings;  // where what comes out is not what the file declares

  bool valid() const;
  bool runs_here() const;  // valid, nothing is lacking, and every plan could be made
};

struct PlanOptions {
  loader::SymbolSizes sizes = {};  // of symbolic dims; see loader::with_usual_sizes
  bool run = false;                // run each plan on drawn inputs too
};

// Never throws for a model that is wrong. Weights stay in their files unless `run`.
FileCheck check_model(const std::filesystem::path& path, session::Device& device, const PlanOptions& options);

// What a model folder can do as a whole.
struct FolderCheck {
  std::filesystem::path path;
  std::string model_type;  // of config.json
  struct Task {
    std::string command;  // of vulcap: "caption"
    std::string problem;  // why the folder does not serve it; empty: it does
    std::vector<std::string> files, warnings;
  };
  std::vector<Task> tasks;  // those that config.json speaks for
  std::vector<Finding> findings;

  bool valid() const;
};

// Throws core::Error(kInvalidModel) when `folder` is none.
FolderCheck check_folder(const std::filesystem::path& folder, session::Device& device);

}  // namespace vulcap::conversion
