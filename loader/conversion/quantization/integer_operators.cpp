#include "loader/conversion/quantization/integer_operators.h"

#include <map>
#include <utility>

#include "loader/conversion/quantization/affine.h"
#include "loader/conversion/quantization/finite.h"
#include "loader/conversion/quantization/weight_readers.h"
#include "runtime/core/error.h"

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;
using core::DType;
using Kind = WeightUse::Kind;

constexpr int64_t kOldestOpset = 11;        // DynamicQuantizeLinear
constexpr int64_t kPerAxisDequantize = 13;  // DequantizeLinear with a scale for each index of an axis

class IntegerOperators {
 public:
  IntegerOperators(GraphRewriter& rewriter, const Options& options, const WeightReaders& readers)
      : rewriter_(rewriter), options_(options), readers_(readers) {}

  void replace(Scope& scope, const proto::NodeProto& node, const WeightUse& use) {
    if (use.kind == Kind::kTable) {
      table(scope, node, use);
    } else {
      product(scope, node, use);
    }
  }

 private:
  struct Quantized {
    std::string numbers, scale, zero_point;
    bool transposed = false;  // as stored; products
  };

  std::string node_name(const proto::NodeProto& node, const char* suffix) {
    return node.name().empty() ? "" : rewriter_.unique(node.name() + suffix);
  }

  // Sums of 8-bit products, times both scales, and what is added.
  void product(Scope& scope, const proto::NodeProto& node, const WeightUse& use) {
    const bool conv = use.kind == Kind::kConv;
    const Quantized operand = activation(scope, use.operand);
    const Quantized& stored = weight(use);
    const std::string sums = rewriter_.unique(node.output(0) + "_sums");
    proto::NodeProto& made = rewriter_.emit(
        scope, conv ? "ConvInteger" : "MatMulInteger", node_name(node, "_quant"),
        {operand.numbers, oriented(scope, stored, use), operand.zero_point, stored.zero_point}, {sums});
    if (conv) *made.mutable_attribute() = node.attribute();
    const std::string real = rewriter_.unique(sums + "_cast");
    set_attribute(rewriter_.emit(scope, "Cast", node_name(node, "_cast"), {sums}, {real}), "to",
                  int64_t(proto::TensorProto::FLOAT));
    const std::string scale = rewriter_.unique(node.output(0) + "_scale");
    rewriter_.emit(scope, "Mul", node_name(node, "_scales_mul"), {operand.scale, stored.scale}, {scale});
    const bool adds = !use.addend.empty();
    const std::string scaled = adds ? rewriter_.unique(node.output(0) + "_scaled") : node.output(0);
    rewriter_.emit(scope, "Mul", node_name(node, "_output_scale_mul"), {real, scale}, {scaled});
    if (adds)
      rewriter_.emit(scope, "Add", node.name(), {scaled, conv ? channels(scope, use) : use.addend},
                     {node.output(0)});
  }

  void table(Scope& scope, const proto::NodeProto& node, const WeightUse& use) {
    const Quantized& stored = weight(use);
    const std::string rows = rewriter_.unique(node.output(0) + "_quantized");
    proto::NodeProto& picked =
        rewriter_.emit(scope, "Gather", node.name(), {stored.numbers, use.operand}, {rows});
    *picked.mutable_attribute() = node.attribute();
    proto::NodeProto& real = rewriter_.emit(scope, "DequantizeLinear", node_name(node, "_DequantizeLinear"),
                                            {rows, stored.scale, stored.zero_point}, {node.output(0)});
    if (form_of(use).axis) set_attribute(real, "axis", int64_t(-1));
  }

  // Quantised once in each graph that reads it.
  Quantized activation(Scope& scope, const std::string& name) {
    const auto [found, is_new] = scope.made.try_emplace(name);
    if (is_new) {
      found->second = rewriter_.unique(name + "_quantized");
      rewriter_.emit(scope, "DynamicQuantizeLinear", rewriter_.unique(name + "_QuantizeLinear"), {name},
                     {found->second, found->second + "_scale", found->second + "_zero_point"});
    }
    const std::string& base = found->second;
    return {base, base + "_scale", base + "_zero_point"};
  }

  AffineForm form_of(const WeightUse& use) const {
    // ONNX Runtime before 1.2x convolves with uint8 weights only.
    const bool conv = use.kind == Kind::kConv;
    const bool is_signed = options_.to == Format::kInt8 && !conv;
    AffineForm form{is_signed ? DType::kI8 : DType::kU8, options_.symmetric.value_or(is_signed),
                    options_.reduce_range};
    if (!options_.per_channel) return form;
    if (conv) {
      // ConvInteger takes one zero point, so all filters have the middle.
      form.symmetric = true;
      form.axis = 0;
      return form;
    }
    const auto& shared = readers_.shared(*use.weight.tensor);
    const bool both_ways = shared.plain && shared.transposed;
    if (both_ways || (shared.table && rewriter_.opset("") < kPerAxisDequantize)) return form;
    form.axis = shared.transposed ? 0 : 1;
    return form;
  }

  const Quantized& weight(const WeightUse& use) {
    if (const auto found = weights_.find(use.weight.tensor); found != weights_.end()) return found->second;
    core::Tensor numbers = rewriter_.model().tensor(*use.weight.tensor);
    const std::string name = use.weight.tensor->name();
    require_finite(numbers, name);
    AffineTensor made = quantize_affine(numbers, form_of(use));
    const auto& shared = readers_.shared(*use.weight.tensor);
    Quantized stored;
    if (use.kind == Kind::kProduct && shared.transposed && !shared.plain)
      made.numbers = transposed(made.numbers);
    stored.transposed = use.kind == Kind::kProduct && shared.transposed && !shared.plain;
    if (use.kind == Kind::kConv && options_.per_channel) as_filters(made, numbers.shape().size());
    Scope& scope = *use.weight.scope;
    stored.numbers = rewriter_.add_constant(scope, name + "_quantized", std::move(made.numbers));
    stored.scale = rewriter_.add_constant(scope, name + "_scale", std::move(made.scales));
    stored.zero_point = rewriter_.add_constant(scope, name + "_zero_point", std::move(made.zero_points));
    return weights_.emplace(use.weight.tensor, std::move(stored)).first->second;
  }

  static core::Tensor transposed(const core::Tensor& tensor) {
    const int64_t rows = tensor.shape()[0], columns = tensor.shape()[1];
    core::Tensor result(tensor.dtype(), {columns, rows});
    const auto from = tensor.as<uint8_t>();
    const auto to = result.mutable_as<uint8_t>();
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) to[size_t(c * rows + r)] = from[size_t(r * columns + c)];
    return result;
  }

  // Scales stand against the channels of the output, and the zero points become one.
  static void as_filters(AffineTensor& made, size_t rank) {
    core::Shape shape(rank - 1, 1);
    shape[0] = int64_t(made.scales.size());
    made.scales = made.scales.reshaped(shape);
    made.zero_points =
        core::Tensor::from<uint8_t>(made.zero_points.dtype(), {}, {made.zero_points.as<uint8_t>()[0]});
  }

  // The weight [K,N]: a table that a product reads too stays as it is, with a Transpose before the product.
  std::string oriented(Scope& scope, const Quantized& stored, const WeightUse& use) {
    if (use.kind != Kind::kProduct || use.transposed == stored.transposed) return stored.numbers;
    const auto [found, is_new] = scope.made.try_emplace(stored.numbers);
    if (is_new) {
      found->second = rewriter_.unique(stored.numbers + "_transposed");
      proto::NodeProto& node = rewriter_.emit(scope, "Transpose", "", {stored.numbers}, {found->second});
      set_attribute(node, "perm", std::vector<int64_t>{1, 0});
    }
    return found->second;
  }

  // A convolution's bias against the channels of its output.
  std::string channels(Scope& scope, const WeightUse& use) {
    const Scope::Constant bias = scope.constant(use.addend).value();
    const auto [found, is_new] = biases_.try_emplace(bias.tensor);
    if (is_new) {
      core::Shape shape(size_t(use.weight.tensor->dims_size() - 1), 1);
      shape[0] = use.weight.tensor->dims(0);
      const core::Tensor numbers = rewriter_.model().tensor(*bias.tensor);
      found->second =
          rewriter_.add_constant(*bias.scope, bias.tensor->name() + "_channels", numbers.reshaped(shape));
    }
    return found->second;
  }

  GraphRewriter& rewriter_;
  const Options& options_;
  const WeightReaders& readers_;
  std::map<const proto::TensorProto*, Quantized> weights_;
  std::map<const proto::TensorProto*, std::string> biases_;
};

}  // namespace

Changes quantize_to_integers(GraphRewriter& rewriter, const Options& options) {
  if (rewriter.opset("") < kOldestOpset)
    throw core::Error(core::ErrorCode::kUsage,
                      "is of opset " + std::to_string(rewriter.opset("")) + "; int8 and uint8 need opset " +
                          std::to_string(kOldestOpset) + " or later: export it anew");
  const Exclusion exclusion(options.exclude);
  const WeightReaders readers(rewriter, {.convs = true, .tables = true}, false, exclusion);
  Changes changes{0, readers.kept(), exclusion.unmatched()};
  IntegerOperators operators(rewriter, options, readers);
  rewriter.rewrite([&](Scope& scope, proto::NodeProto& node) {
    const auto use = readers.use(scope, node);
    if (!use) return false;
    operators.replace(scope, node, *use);
    ++changes.nodes;
    return true;
  });
  return changes;
}

}  // namespace vulcap::quantization
