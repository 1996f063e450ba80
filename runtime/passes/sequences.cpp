#include "runtime/passes/sequences.h"

#include <algorithm>
#include <array>

#include "runtime/core/error.h"

namespace vulcap::passes {
namespace {

using core::DType;
using core::Tensor;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

[[noreturn]] void fail(const Node& node, const std::string& message) {
  throw core::Error(core::ErrorCode::kInvalidModel, "node '" + node.name + "' (" + node.op + "): " + message);
}

Tensor int64_tensor(core::Shape shape, const std::vector<int64_t>& values) {
  return Tensor::from<int64_t>(DType::kI64, std::move(shape), values);
}

}  // namespace

std::string element_name(const std::string& name, size_t index) {
  return name + "[" + std::to_string(index) + "]";
}

ValueId Sequences::make(std::string name, List list) {
  graph::Value value;
  value.name = std::move(name);
  const ValueId id = graph_.add_value(std::move(value));
  lists_[id] = std::move(list);
  return id;
}

bool Sequences::handles(const Node& node) const {
  static constexpr std::array kNames = {"SequenceConstruct", "SequenceEmpty", "SplitToSequence"};
  if (!node.domain.empty()) return false;
  if (std::find(kNames.begin(), kNames.end(), node.op) != kNames.end()) return true;
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId in) { return holds(in); });
}

ValueId Sequences::visit(const Node& node) {
  if (node.op == "SequenceConstruct") return make(node.name, node.inputs);
  if (node.op == "SequenceEmpty") return make(node.name, {});
  if (node.op == "SplitToSequence") return split(node);
  if (node.op == "Identity") return node.inputs.at(0);
  if (node.op == "SequenceInsert") return insert(node);
  if (node.op == "SequenceErase") return erase(node);
  if (node.op == "SequenceLength") return length(node);
  if (node.op == "ConcatFromSequence") return concat(node);
  if (node.op == "SequenceAt") {
    const List& list = operand(node, 0);
    return list[position(node, 1, list.size(), false)];
  }
  fail(node, "sequences are not supported here");
}

const Sequences::List& Sequences::operand(const Node& node, size_t i) const {
  if (!holds(node.input(i))) fail(node, "input " + std::to_string(i) + " is not a sequence");
  return list(node.input(i));
}

size_t Sequences::position(const Node& node, size_t i, size_t size, bool end) {
  const int64_t given = hooks_.constant(node.input(i)).at_i64(0);
  const int64_t at = given < 0 ? given + int64_t(size) : given;
  if (at < 0 || at > int64_t(size) || (at == int64_t(size) && !end))
    fail(node, "position " + std::to_string(given) + " is outside a sequence of " + std::to_string(size));
  return size_t(at);
}

ValueId Sequences::insert(const Node& node) {
  List list = operand(node, 0);
  const size_t at = node.input(2) == kNoValue ? list.size() : position(node, 2, list.size(), true);
  list.insert(list.begin() + int64_t(at), node.input(1));
  return make(node.name, std::move(list));
}

ValueId Sequences::erase(const Node& node) {
  List list = operand(node, 0);
  if (list.empty()) fail(node, "the sequence is empty");
  const size_t at = node.input(1) == kNoValue ? list.size() - 1 : position(node, 1, list.size(), false);
  list.erase(list.begin() + int64_t(at));
  return make(node.name, std::move(list));
}

ValueId Sequences::length(const Node& node) {
  return graph_.add_constant(node.name, int64_tensor({}, {int64_t(operand(node, 0).size())}));
}

// Squeeze or Unsqueeze of one axis.
ValueId Sequences::axes_node(std::string_view op, const Node& node, ValueId value, int64_t axis) {
  const ValueId axes = graph_.add_constant(node.name + "/axes", int64_tensor({1}, {axis}));
  return hooks_.add({std::string(op), "", node.name, {value, axes}, {}, {}}, 1)[0];
}

ValueId Sequences::concat(const Node& node) {
  List parts = operand(node, 0);
  if (parts.empty()) fail(node, "the sequence is empty");
  const int64_t axis = node.attributes.integer("axis", 0);
  if (node.attributes.integer("new_axis", 0) != 0) {
    for (ValueId& part : parts) part = axes_node("Unsqueeze", node, part, axis);
  }
  Node joined{"Concat", "", node.name, parts, {}, {}};
  joined.attributes.set("axis", axis);
  return hooks_.add(std::move(joined), 1)[0];
}

ValueId Sequences::split(const Node& node) {
  const auto& shape = graph_.value(node.inputs.at(0)).shape;
  const int64_t rank = shape ? int64_t(shape->size()) : 0;
  const int64_t given = node.attributes.integer("axis", 0);
  const int64_t axis = given < 0 ? given + rank : given;
  if (axis < 0 || axis >= rank || !(*shape)[size_t(axis)].is_constant())
    fail(node, "the axis " + std::to_string(given) + " or its size is not known");
  const int64_t size = (*shape)[size_t(axis)].value();
  std::vector<int64_t> sizes;
  const bool one_by_one = node.input(1) == kNoValue;
  const Tensor parts = one_by_one ? int64_tensor({}, {1}) : hooks_.constant(node.input(1));
  if (parts.shape().empty()) {
    const int64_t each = parts.at_i64(0);
    if (each <= 0) fail(node, "split " + std::to_string(each) + " is not positive");
    for (int64_t at = 0; at < size; at += each) sizes.push_back(std::min(each, size - at));
  } else {
    for (size_t i = 0; i < parts.size(); ++i) sizes.push_back(parts.at_i64(i));
  }
  const ValueId constant =
      graph_.add_constant(node.name + "/sizes", int64_tensor({int64_t(sizes.size())}, sizes));
  Node cut{"Split", "", node.name, {node.inputs[0], constant}, {}, {}};
  cut.attributes.set("axis", axis);
  List list = sizes.empty() ? List{} : hooks_.add(std::move(cut), sizes.size());
  if (one_by_one && node.attributes.integer("keepdims", 1) == 0) {
    for (ValueId& item : list) item = axes_node("Squeeze", node, item, axis);
  }
  return make(node.name, std::move(list));
}

}  // namespace vulcap::passes
