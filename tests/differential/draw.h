// Seeded random graphs: chains of a few nodes over the registry's operators, with every value computed by the
// scalar references while the graph grows.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/session/session.h"

namespace vulcap::test {

// Inputs, initializers and nodes in the form of newest opsets; what the references answer.
struct DrawnCase {
  uint64_t seed = 0;
  graph::Graph graph;
  session::NamedTensors inputs;
  session::NamedTensors expected;
  std::set<std::string> exact;  // outputs that every implementation must get to the bit
};

DrawnCase draw_case(uint64_t seed);

// A graph that grows. Values are small numbers, so that chains stay finite.
class Drawing {
 public:
  using ValueId = graph::ValueId;
  using DType = core::DType;

  explicit Drawing(uint64_t seed) : generator_(seed) {}

  uint64_t below(uint64_t bound) { return generator_() % bound; }
  bool chance(double probability) { return double(generator_() >> 11) * 0x1p-53 < probability; }
  template <typename T>
  const T& pick(const std::vector<T>& items) {
    return items[below(items.size())];
  }
  int64_t between(int64_t low, int64_t high) { return low + int64_t(below(uint64_t(high - low + 1))); }

  // An existing value for which `accept` holds, or nothing.
  template <typename Accept>
  std::optional<ValueId> existing(const Accept& accept) {
    std::vector<ValueId> fitting;
    for (ValueId id : drawn_) {
      if (accept(id)) fitting.push_back(id);
    }
    if (fitting.empty()) return std::nullopt;
    return chance(0.6) ? fitting.back() : pick(fitting);
  }
  // The first operand of the next node: mostly what the chain made last, else a new leaf of these dtypes.
  ValueId operand(const std::vector<DType>& dtypes, size_t min_rank = 0, size_t max_rank = 4);
  // A graph input or, one time in three, an initializer.
  ValueId leaf(DType dtype, const core::Shape& shape);
  ValueId constant(core::Tensor tensor);
  ValueId ints(const std::vector<int64_t>& values);
  ValueId scalar(DType dtype, double value);

  core::Shape shape_drawn(size_t min_rank, size_t max_rank);
  // A shape that broadcasts with `shape`.
  core::Shape broadcastable(const core::Shape& shape);

  const core::Tensor& tensor(ValueId id) const { return *graph_.value(id).constant; }
  const core::Shape& shape(ValueId id) const { return tensor(id).shape(); }
  DType dtype(ValueId id) const { return tensor(id).dtype(); }
  // Whether every implementation must get the same bits: operands of what jumps (rounding, comparing) are.
  bool exact(ValueId id) const { return exact_[size_t(id)]; }
  bool all_in(ValueId id, double low, double high) const;

  // Appends a node if the registry has the operator, its rule accepts the operands and the results are finite
  // and of moderate size. Results are exact when `keeps_exact` and all operands are.
  bool add(const std::string& op, std::vector<ValueId> operands, graph::Attributes attributes = {},
           bool keeps_exact = false, size_t outputs = 1);

  DrawnCase finish(uint64_t seed);

 private:
  core::Tensor random_tensor(DType dtype, const core::Shape& shape);
  ValueId add_value(core::Tensor tensor, bool exact, bool drawn);
  bool accept(const std::vector<core::Tensor>& results) const;

  std::mt19937_64 generator_;
  graph::Graph graph_;  // every value constant: what the references made of it
  std::vector<bool> exact_;
  std::vector<bool> is_initializer_;
  std::vector<ValueId> drawn_;  // leaves and results, latest last
};

using Template = bool (*)(Drawing&);
// Each family's ways to append one node; false when the operands at hand do not suit.
std::vector<Template> elementwise_templates();
std::vector<Template> movement_templates();
std::vector<Template> compute_templates();

}  // namespace vulcap::test
