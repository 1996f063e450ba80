#include "loader/conversion/quantization/stored_weights.h"

#include <optional>
#include <utility>

#include "loader/conversion/quantization/finite.h"

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;
using core::DType;
using Kind = WeightUse::Kind;

constexpr int64_t kPerAxisDequantize = 13;  // DequantizeLinear with a scale for each index of an axis

core::Tensor transposed(const core::Tensor& tensor) {
  const int64_t rows = tensor.shape()[0], columns = tensor.shape()[1];
  core::Tensor result(tensor.dtype(), {columns, rows});
  const auto from = tensor.as<uint8_t>();
  const auto to = result.mutable_as<uint8_t>();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) to[size_t(c * rows + r)] = from[size_t(r * columns + c)];
  return result;
}

// Scales stand against the channels of the output, and the zero points become one.
void as_filters(AffineTensor& made, size_t rank) {
  core::Shape shape(rank - 1, 1);
  shape[0] = int64_t(made.scales.size());
  made.scales = made.scales.reshaped(shape);
  made.zero_points =
      core::Tensor::from<uint8_t>(made.zero_points.dtype(), {}, {made.zero_points.as<uint8_t>()[0]});
}

}  // namespace

StoredWeights::StoredWeights(GraphRewriter& rewriter, const Options& options, const WeightReaders& readers,
                             Filters filters)
    : rewriter_(rewriter), options_(options), readers_(readers), filters_(filters) {}

AffineForm StoredWeights::form_of(const WeightUse& use) const {
  const bool conv = use.kind == Kind::kConv;
  // ONNX Runtime before 1.2x convolves with uint8 weights only.
  const bool is_signed = options_.to == Format::kInt8 && !(conv && filters_ == Filters::kAgainstOutput);
  AffineForm form{is_signed ? DType::kI8 : DType::kU8, options_.symmetric.value_or(is_signed),
                  options_.reduce_range};
  if (!options_.per_channel) return form;
  if (conv) {
    // ConvInteger takes one zero point, so all filters have the middle.
    if (filters_ == Filters::kAgainstOutput) form.symmetric = true;
    form.axis = 0;
    return form;
  }
  const auto& shared = readers_.shared(*use.weight.tensor);
  const bool both_ways = shared.plain && shared.transposed;
  if (both_ways || (shared.table && rewriter_.opset("") < kPerAxisDequantize)) return form;
  form.axis = shared.transposed ? 0 : 1;
  return form;
}

const StoredWeight& StoredWeights::get(const WeightUse& use) {
  if (const auto found = weights_.find(use.weight.tensor); found != weights_.end()) return found->second;
  const core::Tensor numbers = rewriter_.model().tensor(*use.weight.tensor);
  const std::string name = use.weight.tensor->name();
  require_finite(numbers, name);
  const AffineForm form = form_of(use);
  AffineTensor made = quantize_affine(numbers, form);
  const auto& shared = readers_.shared(*use.weight.tensor);
  StoredWeight stored;
  stored.per_channel = form.axis.has_value();
  stored.transposed = use.kind == Kind::kProduct && shared.transposed && !shared.plain;
  if (stored.transposed) made.numbers = transposed(made.numbers);
  if (use.kind == Kind::kConv && stored.per_channel && filters_ == Filters::kAgainstOutput)
    as_filters(made, numbers.shape().size());
  Scope& scope = *use.weight.scope;
  stored.numbers = rewriter_.add_constant(scope, name + "_quantized", std::move(made.numbers));
  stored.scale = rewriter_.add_constant(scope, name + "_scale", made.scales);
  stored.zero_point = rewriter_.add_constant(scope, name + "_zero_point", std::move(made.zero_points));
  scales_.emplace(stored.scale, std::move(made.scales));
  return weights_.emplace(use.weight.tensor, std::move(stored)).first->second;
}

std::string StoredWeights::oriented(Scope& scope, const StoredWeight& stored, const WeightUse& use) {
  if (use.kind != Kind::kProduct || use.transposed == stored.transposed) return stored.numbers;
  const auto [found, is_new] = scope.made.try_emplace(stored.numbers);
  if (is_new) {
    found->second = rewriter_.unique(stored.numbers + "_transposed");
    proto::NodeProto& node = rewriter_.emit(scope, "Transpose", "", {stored.numbers}, {found->second});
    set_attribute(node, "perm", std::vector<int64_t>{1, 0});
  }
  return found->second;
}

void StoredWeights::emit_table(Scope& scope, const proto::NodeProto& node, const WeightUse& use) {
  const StoredWeight& stored = get(use);
  const std::string rows = rewriter_.unique(node.output(0) + "_quantized");
  proto::NodeProto& picked =
      rewriter_.emit(scope, "Gather", node.name(), {stored.numbers, use.operand}, {rows});
  *picked.mutable_attribute() = node.attribute();
  proto::NodeProto& real = rewriter_.emit(scope, "DequantizeLinear", node_name(node, "_DequantizeLinear"),
                                          {rows, stored.scale, stored.zero_point}, {node.output(0)});
  if (stored.per_channel) set_attribute(real, "axis", int64_t(-1));
}

std::string StoredWeights::node_name(const proto::NodeProto& node, const char* suffix) {
  return node.name().empty() ? "" : rewriter_.unique(node.name() + suffix);
}

}  // namespace vulcap::quantization
