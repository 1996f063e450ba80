// Operators: shape rule, facts and lowering of each, by name. One file of runtime/ops/operators an operator
// family; each defines `void register_<stem>(OpRegistry&)`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/error.h"
#include "runtime/graph/graph.h"
#include "runtime/ops/kernel_call.h"

namespace vulcap::ops {

using core::Dim;
using core::DType;
using core::SymShape;
using graph::Attributes;
using graph::Fact;
using graph::Graph;
using graph::Node;
using graph::Value;
using graph::ValueId;

// Positions already in the key/value cache: the one symbol that kernels read at run time (state[0]).
inline constexpr std::string_view kPastSymbol = "$past";

// Thrown by a shape rule for an operand whose elements it must know but that depends on data: whoever runs
// the graph computes the operand and asks again with its value bound.
class NeedsValue : public core::Error {
 public:
  NeedsValue(size_t operand, std::string message)
      : core::Error(core::ErrorCode::kInvalidModel, std::move(message)), operand_(operand) {}
  size_t operand() const { return operand_; }

 private:
  size_t operand_;
};

// Operands of one node for its shape rule. A rule sets dtype, shape and, where it can, a fact for every
// output.
class InferContext {
 public:
  InferContext(Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  const Node& node() const { return node_; }
  const Attributes& attributes() const { return node_.attributes; }
  size_t inputs() const { return node_.inputs.size(); }
  size_t outputs() const { return node_.outputs.size(); }
  bool has(size_t i) const { return node_.input(i) != graph::kNoValue; }
  // These throw when the operand is absent or its shape is not known.
  const Value& in(size_t i) const;
  DType dtype(size_t i) const { return in(i).dtype; }
  const SymShape& shape(size_t i) const;
  size_t rank(size_t i) const { return shape(i).size(); }
  // Elements of an integer operand as dimensions, when they are known.
  std::optional<std::vector<Dim>> ints(size_t i) const;
  // The same; throw NeedsValue when they depend on data.
  std::vector<Dim> need_ints(size_t i) const;
  std::vector<int64_t> need_constants(size_t i) const;
  // The content of an operand of any dtype; throws NeedsValue when it depends on data.
  core::Tensor need_tensor(size_t i) const;
  // The number that every element of the operand equals, when that is known.
  std::optional<double> splat(size_t i) const;
  // Axis attribute or operand normalised to [0, rank); throws when it is outside.
  size_t axis(int64_t value, size_t rank) const;

  void set(size_t output, DType dtype, SymShape shape, Fact fact = {});
  // For outputs whose size depends on data: the rule itself computes the content, nothing is left to run.
  void set_constant(size_t output, core::Tensor tensor);
  // Goes on as if `form` were >= 0; recorded in Graph::guards.
  void assume_nonnegative(Dim form) { graph_.guards.push_back(std::move(form)); }
  // Throws unless both operands have one dtype.
  void same_dtype(size_t i, size_t j) const;
  [[noreturn]] void fail(const std::string& message) const;
  // What only a number behind $past could decide: throws NeedsStaticShape.
  [[noreturn]] void undecided(const std::string& message) const;

 private:
  Graph& graph_;
  const Node& node_;
};

struct LoweredBinding {
  ValueId value = graph::kNoValue;
  bool written = false;
  uint64_t n_begin = 0;  // part of a constant, see plan::WeightRequest; n_end == 0: all of it
  uint64_t n_end = 0;
  WeightLayout layout = WeightLayout::kPlain;
};

// A kernel call whose bindings still name values; the plan gives them memory.
struct LoweredCall {
  KernelCall call;
  std::vector<LoweredBinding> bindings;
};

struct LowerLimits {
  uint64_t max_binding_bytes = UINT64_MAX;
};

// Emits the kernel calls of one node. All shapes are known; $past may be left in some dims.
class LowerContext {
 public:
  LowerContext(Graph& graph, const Node& node, const LowerLimits& limits, std::vector<LoweredCall>& calls,
               std::map<ValueId, ValueId>& aliases)
      : graph_(graph), node_(node), limits_(limits), calls_(calls), aliases_(aliases) {}

  const Node& node() const { return node_; }
  const Attributes& attributes() const { return node_.attributes; }
  Graph& graph() { return graph_; }
  const LowerLimits& limits() const { return limits_; }
  bool has(size_t i) const { return node_.input(i) != graph::kNoValue; }
  ValueId in(size_t i) const { return node_.input(i); }
  ValueId out(size_t i) const { return i < node_.outputs.size() ? node_.outputs[i] : graph::kNoValue; }
  const Value& value(ValueId id) const { return graph_.value(id); }
  DType dtype(size_t i) const { return value(in(i)).dtype; }
  // Dims of operand i; throws NeedsStaticShape when one depends on $past.
  core::Shape shape(size_t i) const { return static_shape(in(i)); }
  core::Shape static_shape(ValueId id) const;
  const SymShape& sym_shape(ValueId id) const { return *value(id).shape; }
  // {base, coefficient of $past}; throws NeedsStaticShape when the dim is not affine in $past.
  std::pair<int64_t, int64_t> affine(const Dim& dim) const;
  std::vector<int64_t> constants(size_t i) const;

  // A value for scratch memory that lives from its first to its last call.
  ValueId temp(DType dtype, core::Shape shape);
  // `out` is the same bytes as `in` (reshapes): no call is emitted.
  void alias(ValueId out, ValueId in) { aliases_[out] = in; }
  template <typename Params>
  LoweredCall& emit(std::string_view kernel, Variant variant, const Params& params,
                    std::vector<LoweredBinding> bindings, std::array<uint32_t, 3> work);
  LoweredBinding read(ValueId id, WeightLayout layout = WeightLayout::kPlain) const {
    return {id, false, 0, 0, layout};
  }
  LoweredBinding write(ValueId id) const { return {id, true, 0, 0, WeightLayout::kPlain}; }
  [[noreturn]] void fail(const std::string& message) const;

 private:
  Graph& graph_;
  const Node& node_;
  const LowerLimits& limits_;
  std::vector<LoweredCall>& calls_;
  std::map<ValueId, ValueId>& aliases_;
};

template <typename Params>
LoweredCall& LowerContext::emit(std::string_view kernel, Variant variant, const Params& params,
                                std::vector<LoweredBinding> bindings, std::array<uint32_t, 3> work) {
  LoweredCall lowered;
  lowered.call.kernel = kernel_index(kernel);
  lowered.call.variant = variant;
  lowered.call.set_params(params);
  lowered.call.work = work;
  lowered.bindings = std::move(bindings);
  calls_.push_back(std::move(lowered));
  return calls_.back();
}

// Thrown by lowering when a size that must be a number depends on $past: the plan is then made again with
// $past bound.
class NeedsStaticShape : public core::Error {
 public:
  using core::Error::Error;
};

// Writes one node as others, while the graph is specialised: the shapes of its operands are known, and so are
// those of every node as soon as it is added.
class ExpandContext : public InferContext {
 public:
  // Takes a finished node into the graph: runs its shape rule, folds what is constant.
  using Emit = std::function<void(Node)>;
  ExpandContext(Graph& graph, const Node& node, Emit emit)
      : InferContext(graph, node), graph_(graph), emit_(std::move(emit)) {}

  // A node with one output (or several); its name derives from the expanded node's.
  ValueId add(std::string op, std::vector<ValueId> inputs, Attributes attributes = {},
              std::string domain = "");
  std::vector<ValueId> add_split(std::string op, std::vector<ValueId> inputs, Attributes attributes,
                                 size_t outputs, std::string domain = "");
  ValueId view(ValueId value, const SymShape& to);
  ValueId transpose(ValueId value, std::vector<int64_t> perm);
  // value[..., begin:end, ...] along `axis`.
  ValueId slice(ValueId value, int64_t axis, int64_t begin, int64_t end);
  ValueId constant(core::Tensor tensor);
  ValueId integers(const std::vector<int64_t>& values);
  ValueId scalar(DType dtype, double value);  // shape []
  // The nodes of a graph that is an attribute of the expanded node; its inputs are `operands`. Returns its
  // outputs.
  std::vector<ValueId> inlined(const Graph& body, const std::vector<ValueId>& operands);
  // Output i of the expanded node is `value`; an output that nobody asked for is left out.
  void result(size_t i, ValueId value);

  ValueId operand(size_t i) const { return node().input(i); }
  bool wants(size_t i) const { return i < outputs() && node().outputs[i] != graph::kNoValue; }
  const Value& value(ValueId id) const { return graph_.value(id); }
  DType dtype_of(ValueId id) const { return value(id).dtype; }
  // By value: adding nodes moves the graph's values.
  SymShape shape_of(ValueId id) const { return *value(id).shape; }
  core::Shape static_shape(ValueId id) const;  // throws NeedsStaticShape

 private:
  Graph& graph_;
  Emit emit_;
};

struct OpDef {
  std::string op;
  std::string domain;
  void (*infer)(InferContext&) = nullptr;
  // nullptr: the operator never reaches lowering (it is resolved by a pass or folded on the host).
  void (*lower)(LowerContext&) = nullptr;
  // Given: the operator is a composite, written as others while the graph is specialised; infer and lower are
  // not used.
  void (*expand)(ExpandContext&) = nullptr;
};

class OpRegistry {
 public:
  void add_composite(std::string op, std::string domain, void (*expand)(ExpandContext&)) {
    add({std::move(op), std::move(domain), nullptr, nullptr, expand});
  }
  void add(OpDef def) { defs_.insert_or_assign(def.domain + "." + def.op, std::move(def)); }
  const OpDef* find(std::string_view domain, std::string_view op) const;
  const std::map<std::string, OpDef, std::less<>>& all() const { return defs_; }

 private:
  std::map<std::string, OpDef, std::less<>> defs_;
};

// Every operator vulcap knows.
const OpRegistry& op_registry();
// Generated: calls every register_<stem>.
void register_all_ops(OpRegistry& registry);

// Runs the shape rule of a node; adds the node's name to an error.
void infer_node(Graph& graph, const Node& node);
// Hands the nodes that a composite operator stands for to `emit`; adds the node's name to an error.
void expand_node(Graph& graph, const Node& node, const ExpandContext::Emit& emit);

}  // namespace vulcap::ops
