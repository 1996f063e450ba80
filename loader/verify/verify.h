// Compares a model folder with its own expected/ folder: test data sets of single graphs and end-to-end
// pipeline cases; a tokenizer's folder with its cases.json.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "loader/tasks/captioner.h"

namespace vulcap::loader {

struct VerifyRow {
  std::string subject;  // "encoder_model/0" or "pipeline/greedy"
  std::string output;   // graph output or image name
  double max_abs = 0;   // largest absolute difference
  double max_rel =
      0;  // the same as a share of the expected output's range (graphs) or of the score (pipelines)
  bool pass = false;
  bool skipped = false;  // nothing was compared
  std::string note;      // why it failed or was skipped
};

using OnRow = std::function<void(const VerifyRow&)>;

struct VerifyOptions {
  LoadOptions load;  // dtype: only graphs of that variant, "auto": all of them
  bool graphs = true;
  bool pipeline = true;
  // Of the answers that were made with an adapter merged; empty: the folder's own adapter/.
  std::filesystem::path adapter;
};

// Calls `on_row` for every comparison as it is made. Throws core::Error(kInvalidModel) when the folder has
// nothing to verify. A graph that cannot run is a failed row, not an exception.
//
// Tolerances are shares of the expected output's range (largest minus smallest, at least 1e-3) and follow
// from the graph's operators:
// - 8e-2: activations rounded to steps that the file gives (QuantizeLinear, QLinear*, QGemm), where an output
//   may move by a step;
// - 2e-2: activations rounded to steps that follow from their range (DynamicQuantizeLinear, *Integer,
//   QAttention, MatMulNBits with accuracy_level 4, ...);
// - 1e-2: fp16 or bf16 weights;
// - 1e-3: integer weights alone (MatMulNBits, MatMulBnb4, GatherBlockQuantized, DequantizeLinear);
// - 1e-4: fp32.
// The largest absolute difference may also be what expected/about.json states as variants.<stem>.
// onnxruntime_optimised_against_unoptimised. Integers and booleans must be equal; ids and texts of pipelines
// identical, scores within the case's atol.
void verify(const std::filesystem::path& dir, session::Device& device, const VerifyOptions& options,
            const OnRow& on_row);

}  // namespace vulcap::loader
