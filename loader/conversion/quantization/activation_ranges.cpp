#include "loader/conversion/quantization/activation_ranges.h"

#include <algorithm>
#include <limits>

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;

core::Tensor transposed(const core::Tensor& matrix) {
  const size_t rows = size_t(matrix.shape()[0]), columns = size_t(matrix.shape()[1]);
  core::Tensor result(matrix.dtype(), {int64_t(columns), int64_t(rows)});
  const auto from = matrix.as<float>();
  const auto to = result.mutable_as<float>();
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
  }
  return result;
}

std::optional<Range> find(const std::map<std::pair<const proto::GraphProto*, std::string>, Range>& ranges,
                          Scope& scope, const std::string& name) {
  const auto found = ranges.find({&scope.graph(), name});
  return found == ranges.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

ActivationRanges::ActivationRanges(GraphRewriter& rewriter, const WeightReaders& readers,
                                   const Calibration& seen)
    : rewriter_(rewriter), seen_(seen) {
  rewriter.each_node([&](Scope& scope, proto::NodeProto& node) {
    for (const std::string& name : node.input()) {
      for (Scope* at = &scope; at != nullptr; at = at->outer()) ++reads_[{&at->graph(), name}];
    }
    const auto use = readers.use(scope, node);
    if (!use || use->kind == WeightUse::Kind::kTable) return;
    const core::Tensor weight = rewriter.model().tensor(*use->weight.tensor);
    add_operand(scope, *use, weight);
    if (use->kind == WeightUse::Kind::kConv) add_result(scope, node, weight);
  });
  rewriter.each_node([&](Scope& scope, proto::NodeProto& node) { move_behind_activation(scope, node); });
}

void ActivationRanges::add_operand(Scope& scope, const WeightUse& use, const core::Tensor& weight) {
  std::optional<Range> range = seen_.operand(weight);
  // What a Transpose makes of a weight is folded before it is multiplied.
  if (!range && use.weight.transposed) range = seen_.operand(transposed(weight));
  if (!range) return;
  Range& known = operands_.try_emplace({&scope.graph(), use.operand}, *range).first->second;
  known = {std::min(known.low, range->low), std::max(known.high, range->high)};
}

void ActivationRanges::add_result(Scope& scope, const proto::NodeProto& conv, const core::Tensor& weight) {
  if (const auto range = seen_.result(weight)) results_[{&scope.graph(), conv.output(0)}] = *range;
}

// Convolution and activation are one operator for run times, which is quantised behind both.
void ActivationRanges::move_behind_activation(Scope& scope, const proto::NodeProto& node) {
  if (!is_standard(node) || (node.op_type() != "Relu" && node.op_type() != "Clip")) return;
  const auto found = results_.find({&scope.graph(), node.input(0)});
  if (found == results_.end() || reads_[found->first] != 1 || scope.is_output(node.input(0))) return;
  const bool relu = node.op_type() == "Relu";
  const float unlimited = std::numeric_limits<float>::max();
  const auto low = relu ? 0 : scalar(scope, node, 1, -unlimited);
  const auto high = relu ? unlimited : scalar(scope, node, 2, unlimited);
  if (!low || !high) return;
  const auto limited = [&](double number) { return std::clamp(number, double(*low), double(*high)); };
  const Range range{std::min(0.0, limited(found->second.low)), std::max(0.0, limited(found->second.high))};
  results_.erase(found);
  results_[{&scope.graph(), node.output(0)}] = range;
}

// Of an operand that may be left out; none where it is computed, or an attribute as before opset 11.
std::optional<float> ActivationRanges::scalar(Scope& scope, const proto::NodeProto& node, int input,
                                              float otherwise) const {
  if (node.attribute_size() > 0) return std::nullopt;
  if (input >= node.input_size() || node.input(input).empty()) return otherwise;
  const auto constant = scope.constant(node.input(input));
  if (!constant || constant->tensor->data_type() != proto::TensorProto::FLOAT) return std::nullopt;
  const core::Tensor tensor = rewriter_.model().tensor(*constant->tensor);
  return tensor.size() == 1 ? std::optional(tensor.as<float>()[0]) : std::nullopt;
}

std::optional<Range> ActivationRanges::operand(Scope& scope, const std::string& name) const {
  return find(operands_, scope, name);
}

std::optional<Range> ActivationRanges::result(Scope& scope, const std::string& name) const {
  return find(results_, scope, name);
}

}  // namespace vulcap::quantization
