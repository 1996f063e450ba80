// From a specialised graph to kernel calls with memory: lower, place, lay out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/ops/kernel_call.h"
#include "runtime/plan/backend.h"

namespace vulcap::plan {

// A graph input or output: memory of its own that a session binds.
struct External {
  std::string name;
  core::DType dtype = core::DType::kUndefined;
  core::SymShape shape;
  uint64_t bytes = 0;  // with $past at its bound; cached values with their capacity
  bool is_input = false;
  bool is_output = false;
};

struct ConstantSlot {
  std::string name;
  core::Tensor tensor;
  core::DType dtype;      // as kernels read it: the tensor's own, or f16 for an f32 tensor
  WeightRequest request;  // request.tensor is set by whoever uploads
};

struct Plan {
  graph::Graph graph;
  std::vector<ops::KernelCall> calls;
  std::vector<uint8_t> on_host;      // a flag a call: the device refused it
  std::vector<std::string> reasons;  // why, one a call; empty when the device runs it
  std::vector<ConstantSlot> constants;
  std::vector<External> externals;
  uint64_t arena_bytes = 0;
  uint64_t arena_sum_bytes = 0;  // what the arena would take without reuse

  // Index of an external by name; throws Error(kInvalidModel) when there is none.
  size_t external(const std::string& name) const;
};

// `past_bound`: the largest number of cached positions, for sizes that depend on $past.
// Throws ops::NeedsStaticShape when some operator cannot be lowered with $past left open.
Plan make_plan(graph::Graph graph, const Backend& backend, int64_t past_bound = 0);

// One line a call: kernel, variant, work, operands, placement; then the memory plan.
std::string plan_text(const Plan& plan);

}  // namespace vulcap::plan
