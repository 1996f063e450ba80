// The intermediate representation: a topologically ordered list of nodes over values named by index.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/core/dim.h"
#include "runtime/core/tensor.h"

namespace vulcap::graph {

using core::Dim;
using core::DType;
using core::SymShape;

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an optional operand that is absent

struct Graph;

using Attribute = std::variant<int64_t, float, std::string, core::Tensor, std::vector<int64_t>,
                               std::vector<float>, std::vector<std::string>, std::shared_ptr<const Graph>>;

class Attributes {
 public:
  bool has(std::string_view name) const { return find(name) != nullptr; }
  void set(std::string name, Attribute value) { map_.insert_or_assign(std::move(name), std::move(value)); }
  // Each returns the fallback when the attribute is absent and throws Error(kInvalidModel) when its type is
  // another.
  int64_t integer(std::string_view name, int64_t fallback) const;
  float real(std::string_view name, float fallback) const;
  std::string text(std::string_view name, std::string fallback) const;
  std::vector<int64_t> integers(std::string_view name, std::vector<int64_t> fallback = {}) const;
  const Attribute* find(std::string_view name) const;
  const std::map<std::string, Attribute, std::less<>>& all() const { return map_; }

 private:
  std::map<std::string, Attribute, std::less<>> map_;
};

// value[i0, i1, ...] = base + sum_k coefficient[k] * i_k
struct AffineIndex {
  Dim base;
  std::vector<int64_t> coefficients;  // one an axis
};

// What is known of a value's content without running anything.
struct Fact {
  std::optional<std::vector<Dim>> ints;     // all elements of an integer value of rank 0 or 1
  std::optional<double> splat;              // every element is this number
  std::optional<AffineIndex> affine;        // integer value that is affine in its own index
  std::optional<AffineIndex> at_most_zero;  // bool value: true where this affine form is <= 0
};

struct Value {
  std::string name;
  DType dtype = DType::kUndefined;
  std::optional<SymShape> shape;
  std::optional<core::Tensor> constant;
  Fact fact;
  bool is_sequence = false;  // dtype and shape are those declared for the elements
  // > 0: axis 2 of this [batch, heads, length, width] value is stored with room for so many positions
  // (key/value cache).
  int64_t capacity = 0;
};

struct Node {
  std::string op;      // ONNX operator, in the semantics of its newest version
  std::string domain;  // "" = ai.onnx; "vulcap" = made by passes
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Attributes attributes;

  bool is(std::string_view other, std::string_view in_domain = "") const {
    return op == other && domain == in_domain;
  }
  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : kNoValue; }
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  // Of a subgraph: (value here, input of the node that holds the subgraph which it stands for).
  std::vector<std::pair<ValueId, size_t>> captures;
  // Forms that shape rules took to be >= 0 and could not prove; whoever binds $past keeps to them.
  std::vector<Dim> guards;

  ValueId add_value(Value value) {
    values.push_back(std::move(value));
    return ValueId(values.size() - 1);
  }
  ValueId add_constant(std::string name, core::Tensor tensor);
  Value& value(ValueId id) { return values[size_t(id)]; }
  const Value& value(ValueId id) const { return values[size_t(id)]; }
  // kNoValue when there is no such graph input / value.
  ValueId find_input(std::string_view name) const;
  ValueId find_value(std::string_view name) const;
};

// Derived indices; rebuilt after a change of the nodes.
struct Uses {
  explicit Uses(const Graph& graph);
  std::vector<int32_t> producer;                // node of a value, -1 for inputs and constants
  std::vector<std::vector<int32_t>> consumers;  // nodes that read a value, a node once a read
  std::vector<int32_t> output_uses;             // how often the value is a graph output

  bool single_use(ValueId value) const {
    return consumers[size_t(value)].size() == 1 && output_uses[size_t(value)] == 0;
  }
};

// Removes nodes whose outputs nobody reads. Values keep their ids.
void remove_dead_nodes(Graph& graph);
// Orders nodes so that producers come first, each as late as its first reader allows (short lifetimes);
// throws Error(kInvalidModel) on a cycle.
void sort_topologically(Graph& graph);
// Throws Error(kInvalidModel) naming a value that is read but never produced, or produced twice.
void check(const Graph& graph);

}  // namespace vulcap::graph
