#include "runtime/passes/split_prefix.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "runtime/ops/attention.h"
#include "runtime/ops/op_registry.h"
#include "runtime/passes/hoist.h"

namespace vulcap::passes {
namespace {

using core::Dim;
using core::Tensor;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Value;
using graph::ValueId;

// Masked scores below this give a probability of exactly 0 beside any unmasked one.
constexpr double kMaskedScore = -6e4;

// [batch, positions, ...]: positions [0, split) and the others.
struct Parts {
  ValueId prefix = kNoValue, rest = kNoValue;
};

bool element_wise(const Node& node) {
  static constexpr std::array kNames = {"Add",  "Sub",  "Mul", "Div",     "Gelu", "Relu",
                                        "Tanh", "Cast", "Neg", "Sigmoid", "Erf",  "Sqrt"};
  if (node.is("QuickGelu", "com.microsoft")) return true;
  return node.domain.empty() && std::find(kNames.begin(), kNames.end(), node.op) != kNames.end();
}

class PrefixSplitter {
 public:
  PrefixSplitter(Graph& graph, std::vector<bool> invariant)
      : graph_(graph), invariant_(std::move(invariant)) {}

  int run() {
    const std::vector<Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (const Node& node : nodes) {
      if (!visit(node)) keep(node);
    }
    for (ValueId& out : graph_.outputs) {
      if (parts_.count(out)) join_as(out);
    }
    graph::remove_dead_nodes(graph_);
    return split_;
  }

 private:
  const core::SymShape& shape(ValueId id) const { return *graph_.value(id).shape; }

  bool visit(const Node& node) {
    if (start(node)) return true;
    if (node.outputs.size() != 1 || node.inputs.empty() || !parts_.count(node.inputs[0])) {
      const bool any = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [&](ValueId in) { return parts_.count(in) > 0; });
      return any && node.outputs.size() == 1 && element_wise(node) && by_position(node);
    }
    if (node.is("Slice")) return slice(node);
    if (node.is("View", "vulcap")) return view(node);
    if (node.is(ops::kAttention, "vulcap")) return attention(node);
    const bool norm = node.is("LayerNormalization") && node.attributes.integer("axis", -1) == -1;
    return (norm || node.is("Linear", "vulcap") || element_wise(node)) && by_position(node);
  }

  bool start(const Node& node) {
    if (!node.is("Concat") || node.inputs.size() != 2 || node.attributes.integer("axis", 0) != 1)
      return false;
    const auto& to = shape(node.outputs[0]);
    const bool fits = to.size() == 3 && core::is_static(to) && core::is_static(shape(node.inputs[0]));
    if (!fits || !invariant_[size_t(node.inputs[0])] || invariant_[size_t(node.inputs[1])]) return false;
    if (!parts_.empty() && !(to[1] == Dim(length_) && shape(node.inputs[0])[1] == Dim(split_at_)))
      return false;
    split_at_ = shape(node.inputs[0])[1].value();
    length_ = to[1].value();
    parts_[node.outputs[0]] = {node.inputs[0], node.inputs[1]};
    return true;
  }

  // A node that cannot be split reads its operands joined again.
  void keep(Node node) {
    for (ValueId& in : node.inputs) {
      if (in != kNoValue && parts_.count(in)) in = joined(in);
    }
    graph_.nodes.push_back(std::move(node));
  }

  Node concat(ValueId value) const {
    Node node{"Concat", "", graph_.value(value).name + "/join", {}, {kNoValue}, {}};
    node.inputs = {parts_.at(value).prefix, parts_.at(value).rest};
    node.attributes.set("axis", int64_t(1));
    return node;
  }

  ValueId joined(ValueId value) {
    const auto [entry, inserted] = joined_.try_emplace(value, kNoValue);
    if (inserted) entry->second = add(concat(value), graph_.value(value).name + "/join");
    return entry->second;
  }

  // Under its own id, for graph outputs.
  void join_as(ValueId value) {
    Node node = concat(value);
    node.outputs[0] = value;
    graph_.nodes.push_back(std::move(node));
  }

  ValueId add(Node node, const std::string& name) {
    Value value;
    value.name = name;
    node.outputs[0] = graph_.add_value(std::move(value));
    ops::infer_node(graph_, node);
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back().outputs[0];
  }

  void set_parts(const Node& node, Node prefix, Node rest) {
    const std::string name = graph_.value(node.outputs[0]).name;
    prefix.name += "/prefix";
    rest.name += "/rest";
    parts_[node.outputs[0]] = {add(std::move(prefix), name + "/prefix"),
                               add(std::move(rest), name + "/rest")};
    ++split_;
  }

  ValueId sliced(ValueId value, int64_t from, int64_t to) {
    const auto number = [&](int64_t n) {
      return graph_.add_constant(graph_.value(value).name + "/at",
                                 Tensor::from<int64_t>(core::DType::kI64, {1}, {n}));
    };
    Node node{"Slice", "", graph_.value(value).name + "/part", {}, {kNoValue}, {}};
    node.inputs = {value, number(from), number(to), number(1)};
    return add(std::move(node), graph_.value(value).name + "/part" + std::to_string(from));
  }

  // Whether an operand of another node spans the positions; nothing when that cannot be told.
  std::optional<bool> spans(ValueId in, size_t rank) const {
    const auto& own = shape(in);
    if (own.size() + 1 < rank || own.empty()) return false;
    if (own.size() > rank) return std::nullopt;
    const Dim& positions = own[own.size() - (rank - 1)];
    if (positions == Dim(1)) return false;
    return positions == Dim(length_) && own.size() == rank ? std::optional(true) : std::nullopt;
  }

  bool by_position(const Node& node) {
    const size_t rank = shape(node.outputs[0]).size();
    if (rank < 3 || !(shape(node.outputs[0])[1] == Dim(length_))) return false;
    const bool weights = node.is("Linear", "vulcap") || node.is("LayerNormalization");
    Node prefix = node, rest = node;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId in = node.inputs[i];
      if (in == kNoValue || (weights && (i == 1 || i == 2))) continue;
      const auto spanning = spans(in, rank);
      if (!spanning) return false;
      if (!*spanning) continue;
      const auto known = parts_.find(in);
      prefix.inputs[i] = known != parts_.end() ? known->second.prefix : sliced(in, 0, split_at_);
      rest.inputs[i] = known != parts_.end() ? known->second.rest : sliced(in, split_at_, length_);
    }
    set_parts(node, std::move(prefix), std::move(rest));
    return true;
  }

  // Axes behind the positions change, batch and positions stay.
  bool view(const Node& node) {
    const auto& from = shape(node.inputs[0]);
    const auto& to = shape(node.outputs[0]);
    if (to.size() < 3 || !core::is_static(to) || !(to[0] == from[0]) || !(to[1] == from[1])) return false;
    const Parts parts = parts_.at(node.inputs[0]);
    const auto part = [&](ValueId in, int64_t positions) {
      Node copy = node;
      copy.inputs[0] = in;
      std::string text;
      for (size_t i = 0; i < to.size(); ++i)
        text += (i == 0 ? "" : ",") + (i == 1 ? std::to_string(positions) : to[i].text());
      copy.attributes.set("to", text);
      return copy;
    };
    set_parts(node, part(parts.prefix, split_at_), part(parts.rest, length_ - split_at_));
    return true;
  }

  // What starts at or behind the split reads the rest alone.
  bool slice(const Node& node) {
    const auto number = [&](size_t i) -> std::optional<int64_t> {
      if (node.input(i) == kNoValue) return std::nullopt;
      const auto& constant = graph_.value(node.inputs[i]).constant;
      return constant && constant->size() == 1 ? std::optional(constant->at_i64(0)) : std::nullopt;
    };
    const auto from = number(1), to = number(2), axis = number(3);
    if (!from || !to || axis != 1 || (node.input(4) != kNoValue && number(4) != 1)) return false;
    const int64_t begin = *from < 0 ? *from + length_ : *from;
    const int64_t end = *to < 0 ? *to + length_ : std::min(*to, length_);
    if (begin < split_at_ || end <= begin) return false;
    Node part{"Slice", "", node.name, {}, node.outputs, {}};
    const auto index = [&](int64_t n) {
      return graph_.add_constant(node.name + "/at", Tensor::from<int64_t>(core::DType::kI64, {1}, {n}));
    };
    part.inputs = {parts_.at(node.inputs[0]).rest, index(begin - split_at_), index(end - split_at_),
                   index(1)};
    graph_.nodes.push_back(std::move(part));
    return true;
  }

  // ---- attention

  // Rows [from, to) and columns [0, columns) of a mask over all positions.
  ValueId mask_part(const Node& node, int64_t from, int64_t to, int64_t columns) {
    const Tensor& mask = *graph_.value(node.inputs[3]).constant;
    Tensor part(mask.dtype(), {1, 1, to - from, columns});
    const size_t width = core::dtype_bytes(mask.dtype(), 1);
    for (int64_t row = from; row < to; ++row) {
      std::copy_n(mask.bytes().data() + size_t(row * length_) * width, size_t(columns) * width,
                  part.mutable_bytes().data() + size_t((row - from) * columns) * width);
    }
    return graph_.add_constant(node.name + "/mask", std::move(part));
  }

  bool mask_hides_rest(ValueId mask) const {
    const auto& constant = graph_.value(mask).constant;
    const size_t one = size_t(length_ * length_);
    if (!constant || constant->size() < one || constant->size() % one != 0) return false;
    // One for all rows, or the same for each.
    const auto bytes = constant->bytes();
    const size_t step = bytes.size() / (constant->size() / one);
    if (!std::equal(bytes.begin() + std::ptrdiff_t(step), bytes.end(), bytes.begin())) return false;
    for (int64_t row = 0; row < split_at_; ++row) {
      for (int64_t column = split_at_; column < length_; ++column) {
        if (constant->at_f64(size_t(row * length_ + column)) > kMaskedScore) return false;
      }
    }
    return true;
  }

  // [offset, batch, head, position] strides of an operand that lies position by position.
  bool position_major(ValueId value, const std::vector<int64_t>& view) const {
    const auto& own = shape(value);
    return own.size() == 3 && own[2] == Dim(view[3]) && view[0] < view[3] && view[2] < view[3];
  }

  bool attention(const Node& node) {
    const bool causal = node.attributes.integer("causal", 0) != 0;
    const bool masked = node.input(3) != kNoValue;
    if (node.input(4) != kNoValue || !(shape(node.outputs[0])[1] == Dim(length_))) return false;
    if (masked ? causal || !mask_hides_rest(node.inputs[3]) : !causal) return false;
    for (size_t i = 0; i < 3; ++i) {
      static constexpr std::array kViews = {"q_view", "k_view", "v_view"};
      if (!parts_.count(node.inputs[i]) ||
          !position_major(node.inputs[i], node.attributes.integers(kViews[i])))
        return false;
    }
    const Parts q = parts_.at(node.inputs[0]), k = parts_.at(node.inputs[1]), v = parts_.at(node.inputs[2]);
    Node prefix = attention_part(node, {q.prefix, k.prefix, v.prefix}, split_at_, split_at_);
    Node rest = attention_part(node, {q.rest, joined(node.inputs[1]), joined(node.inputs[2])},
                               length_ - split_at_, length_);
    if (masked) {
      prefix.inputs.push_back(mask_part(node, 0, split_at_, split_at_));
      rest.inputs.push_back(mask_part(node, split_at_, length_, length_));
      prefix.attributes.set("mask_strides", std::vector<int64_t>{0, 0, split_at_});
      rest.attributes.set("mask_strides", std::vector<int64_t>{0, 0, length_});
    }
    set_parts(node, std::move(prefix), std::move(rest));
    return true;
  }

  static Node attention_part(const Node& node, std::vector<ValueId> inputs, int64_t queries, int64_t keys) {
    Node part = node;
    part.inputs = std::move(inputs);
    auto dims = node.attributes.integers("dims");
    dims[3] = queries;
    part.attributes.set("dims", std::move(dims));
    part.attributes.set("kv_len", std::to_string(keys));
    const auto rebatch = [&](const char* name, int64_t positions) {
      auto view = node.attributes.integers(name);
      view[1] = positions * view[3];
      part.attributes.set(name, std::move(view));
    };
    rebatch("q_view", queries);
    rebatch("k_view", keys);
    rebatch("v_view", keys);
    return part;
  }

  Graph& graph_;
  const std::vector<bool> invariant_;  // of the values that there were at first
  int64_t split_at_ = 0;
  int64_t length_ = 0;
  std::map<ValueId, Parts> parts_;
  std::map<ValueId, ValueId> joined_;
  int split_ = 0;
};

}  // namespace

int split_prefix(Graph& graph, const std::vector<std::string>& invariant_inputs) {
  auto invariant = invariant_values(graph, invariant_inputs);
  return PrefixSplitter(graph, std::move(invariant)).run();
}

}  // namespace vulcap::passes
