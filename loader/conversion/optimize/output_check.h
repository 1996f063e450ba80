// Whether two graphs give the same outputs on the same inputs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "loader/seeded_inputs.h"
#include "runtime/graph/graph.h"

namespace vulcap::conversion {

// Where neither inputs nor sizes are given, the inputs of the folder's expected answers serve, if it has any
// of the graph.
struct CompareOptions {
  std::vector<std::string> given;  // as loader::read_inputs takes them; what they lack is drawn
  loader::SymbolSizes sizes;  // of drawn inputs; others are those of the folder's image processor, or usual
  uint64_t seed = 0;
};

struct OutputCheck {
  int runs = 0;
  double max_abs = 0;    // over all outputs and runs
  double max_rel = 0;    // as a share of the output's range
  std::string mismatch;  // the first output that differs beyond the bound, and by how much; empty: none does
};

// `before` was read from `model`. Runs both on the CPU as they are, without any pass, once for each value of
// an input of one bool. f32 outputs may differ by 1e-4 of their range and f16 ones by 1e-2; others must be
// equal. Throws what the runs throw.
OutputCheck compare_outputs(const graph::Graph& before, const graph::Graph& after,
                            const std::filesystem::path& model, const CompareOptions& options);

}  // namespace vulcap::conversion
