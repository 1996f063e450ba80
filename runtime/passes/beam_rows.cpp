#include "runtime/passes/beam_rows.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/ops/attention.h"

namespace vulcap::passes {
namespace {

using core::Dim;
using core::SymShape;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

constexpr size_t kRowsOperand = 4;  // of vulcap.Attention

ValueId add_table(Graph& graph, std::string_view name, SymShape shape) {
  graph::Value table;
  table.name = name;
  table.dtype = core::DType::kI32;
  table.shape = std::move(shape);
  graph.inputs.push_back(graph.add_value(std::move(table)));
  return graph.inputs.back();
}

void set_rows(Node& attention, ValueId table) {
  attention.inputs.resize(std::max(attention.inputs.size(), kRowsOperand + 1), kNoValue);
  attention.inputs[kRowsOperand] = table;
}

// Keys that an attention reads, in number.
int64_t key_count(const Graph& graph, const Node& attention) {
  const Dim keys = attention.attributes.has("kv_len") ? Dim::parse(attention.attributes.text("kv_len", "0"))
                                                      : graph.value(attention.inputs[1]).shape->at(2);
  return keys.is_constant() ? keys.value() : 0;
}

// Whether an operand of an attention has a batch entry for each of `rows` rows, one behind the other.
bool is_by_row(const Graph& graph, const Node& attention, size_t operand, int64_t rows) {
  const SymShape& shape = *graph.value(attention.inputs[operand]).shape;
  if (!attention.attributes.has("dims")) return shape.size() == 4 && shape[0] == Dim(rows);
  const auto dims = attention.attributes.integers("dims");
  const auto view = attention.attributes.integers(operand == 1 ? "k_view" : "v_view");
  int64_t elements = 1;
  for (const Dim& dim : shape) elements *= dim.value();
  return dims.size() == 7 && dims[6] == rows && view.size() == 4 && view[0] < elements / rows &&
         view[1] == elements / rows;
}

class ImageRows {
 public:
  ImageRows(Graph& graph, int64_t rows, const HeldValues& by_image) : graph_(graph), rows_(rows) {
    for (const ValueId input : graph.inputs) {
      const auto found = by_image.find(graph.value(input).name);
      if (found != by_image.end()) held_[input] = found->second;
    }
  }

  void rewrite() {
    for (Node& node : graph_.nodes) {
      const bool by_table = reads_by_table(node);
      if (by_table) positions_ = std::max(positions_, key_count(graph_, node));
      if (by_table) readers_.push_back(&node - graph_.nodes.data());
      for (size_t operand = 0; operand < node.inputs.size(); ++operand) {
        const bool found = by_table && (operand == 1 || operand == 2);
        if (!found && held_.count(node.inputs[operand]) > 0)
          node.inputs[operand] = gathered(node.inputs[operand]);
      }
    }
    if (!readers_.empty()) {
      const ValueId table = add_table(graph_, kImageRows, {Dim(rows_), Dim(positions_)});
      for (const std::ptrdiff_t reader : readers_) set_rows(graph_.nodes[size_t(reader)], table);
    }
    for (const auto& [input, shape] : held_) graph_.value(input).shape = shape;
    graph_.nodes.insert(graph_.nodes.begin(), gathers_.begin(), gathers_.end());
  }

 private:
  bool reads_by_table(const Node& node) const {
    return node.is(ops::kAttention, "vulcap") && node.input(kRowsOperand) == kNoValue &&
           held_.count(node.inputs[1]) > 0 && held_.count(node.inputs[2]) > 0 &&
           is_by_row(graph_, node, 1, rows_) && is_by_row(graph_, node, 2, rows_) &&
           key_count(graph_, node) > 0;
  }

  // The rows of a value by image, one a row of the step.
  ValueId gathered(ValueId input) {
    const auto known = gathered_.find(input);
    if (known != gathered_.end()) return known->second;
    if (index_ == kNoValue) index_ = add_table(graph_, kImageOfRow, {Dim(rows_)});
    const SymShape rows = *graph_.value(input).shape, images = held_.at(input);
    const std::string name = graph_.value(input).name;
    const int64_t entries = rows[0].value() / rows_;  // of the first axis, an image
    if (entries == 1) return gathered_[input] = add_node("Gather", {input, index_}, rows, name + "/rows");
    SymShape by_image = images;
    by_image[0] = Dim(entries);
    by_image.insert(by_image.begin(), Dim(images[0].value() / entries));
    const ValueId apart = reshaped(input, by_image, name + "/images");
    by_image[0] = Dim(rows_);
    const ValueId chosen = add_node("Gather", {apart, index_}, by_image, name + "/rows");
    return gathered_[input] = reshaped(chosen, rows, name + "/rows#flat");
  }

  ValueId reshaped(ValueId value, const SymShape& shape, const std::string& name) {
    std::vector<int64_t> sizes;
    for (const Dim& dim : shape) sizes.push_back(dim.value());
    const ValueId wanted = graph_.add_constant(
        name + "#shape", core::Tensor::from(core::DType::kI64, {int64_t(sizes.size())}, sizes));
    return add_node("Reshape", {value, wanted}, shape, name);
  }

  ValueId add_node(const std::string& op, std::vector<ValueId> inputs, SymShape shape,
                   const std::string& name) {
    graph::Value value;
    value.name = name;
    value.dtype = graph_.value(inputs[0]).dtype;
    value.shape = std::move(shape);
    Node node;
    node.op = op;
    node.name = name;
    node.inputs = std::move(inputs);
    node.outputs = {graph_.add_value(std::move(value))};
    if (op == "Gather") node.attributes.set("axis", int64_t{0});
    gathers_.push_back(std::move(node));
    return gathers_.back().outputs[0];
  }

  Graph& graph_;
  int64_t rows_;
  std::map<ValueId, SymShape> held_;
  std::map<ValueId, ValueId> gathered_;
  std::vector<Node> gathers_;
  std::vector<std::ptrdiff_t> readers_;  // attention nodes
  int64_t positions_ = 0;
  ValueId index_ = kNoValue;
};

}  // namespace

int add_beam_rows(Graph& graph, int64_t rows, int64_t capacity, int64_t cache_rows) {
  const ValueId table = add_table(graph, kBeamRows, {Dim(rows), Dim(capacity)});
  int count = 0;
  for (Node& node : graph.nodes) {
    if (node.is(ops::kKvAppend, "vulcap") && cache_rows > rows) node.attributes.set("rows", rows);
    if (!node.is(ops::kAttention, "vulcap") || graph.value(node.inputs[1]).capacity == 0) continue;
    set_rows(node, table);
    ++count;
  }
  for (graph::Value& value : graph.values) {
    if (value.capacity > 0) value.shape->at(0) = Dim(cache_rows);
  }
  if (count == 0) graph.inputs.pop_back();
  return count;
}

HeldValues values_by_image(const Graph& step, int64_t others, const HeldValues& held, int64_t images) {
  HeldValues by_image;
  for (const ValueId input : step.inputs) {
    const graph::Value& value = step.value(input);
    const auto found = held.find(value.name);
    if (found == held.end() || found->second == *value.shape) continue;
    const SymShape &one = *value.shape, &all = found->second;
    // The first axis may be that of images and positions in one.
    const bool apart = one.size() == all.size() && !one.empty() && one[0].value() % others == 0 &&
                       all[0] == Dim(one[0].value() / others * images) &&
                       std::equal(one.begin() + 1, one.end(), all.begin() + 1);
    if (!apart) {
      throw core::Error(core::ErrorCode::kInvalidModel,
                        "the decoder does not keep the images of a batch apart: '" + value.name + "' is " +
                            core::shape_text(all));
    }
    by_image.insert(*found);
  }
  return by_image;
}

void add_image_rows(Graph& graph, int64_t rows, const HeldValues& by_image) {
  ImageRows(graph, rows, by_image).rewrite();
}

}  // namespace vulcap::passes
