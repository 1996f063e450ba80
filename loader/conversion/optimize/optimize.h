// What the runtime's passes make of a model, as a file that other runtimes read too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "loader/conversion/optimize/output_check.h"
#include "loader/onnx/census.h"

namespace vulcap::conversion {

// Each includes those before it.
enum class OptimizeLevel {
  kRewrite = 0,  // read and written, nothing else
  kFold = 1,  // what follows from constants and declared sizes is computed; nodes and initialisers that are
              // equal become one; what nobody reads goes
  kFuse = 2,  // activations, normalisations and chains of views that ai.onnx has one operator for
  kMicrosoft = 3  // also those that com.microsoft has one for; a decoder's prelude becomes a file of its own
};

struct OptimizeOptions {
  OptimizeLevel level = OptimizeLevel::kFuse;
  int64_t opset =
      0;  // to write, 18 to 25 and not below the model's; 0: the model's, raised to what the level uses
  bool check = true;  // the outputs, see output_check.h
  CompareOptions inputs;
};

// The part of a decoder that follows from the encoder's output alone and runs once an image, as a file beside
// the rest (loader::prelude_path); its outputs are inputs of the rest, of the same names.
struct Prelude {
  std::filesystem::path name;
  int nodes = 0, outputs = 0;
};

struct Optimized {
  std::filesystem::path model, out;
  int64_t opset_before = 0, opset_after = 0;
  onnx::Census before, after;
  uint64_t file_bytes_before = 0, file_bytes_after = 0;  // external data and prelude included
  std::optional<Prelude> prelude;                        // not counted in `after`
  OutputCheck check;                                     // no runs when it was left out
};

// Writes the model file `model` to `out`; inputs, outputs and their symbolic sizes stay as they are, and
// weights stay where they were (inside, or in `out`.data). Throws core::Error: kInvalidModel for a model that
// cannot be read or has operators that the runtime lacks, kUsage for an opset that cannot be, kMismatch where
// the outputs of the two files differ, kRuntime when they cannot be compared or the file cannot be written.
// Nothing is left at `out` then.
Optimized optimize_file(const std::filesystem::path& model, const std::filesystem::path& out,
                        const OptimizeOptions& options);

// The same for each model of a folder; everything else in it is copied to `out`, which must be new.
std::vector<Optimized> optimize_folder(const std::filesystem::path& folder, const std::filesystem::path& out,
                                       const OptimizeOptions& options);

}  // namespace vulcap::conversion
