#include "loader/conversion/quantization/integer_operators.h"

#include <map>
#include <utility>

#include "loader/conversion/quantization/stored_weights.h"
#include "loader/conversion/quantization/weight_readers.h"
#include "runtime/core/error.h"

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;
using core::DType;
using Kind = WeightUse::Kind;

constexpr int64_t kOldestOpset = 11;  // DynamicQuantizeLinear

class IntegerOperators {
 public:
  IntegerOperators(GraphRewriter& rewriter, StoredWeights& weights)
      : rewriter_(rewriter), weights_(weights) {}

  void replace(Scope& scope, const proto::NodeProto& node, const WeightUse& use) {
    if (use.kind == Kind::kTable) {
      weights_.emit_table(scope, node, use);
    } else {
      product(scope, node, use);
    }
  }

 private:
  struct Activation {
    std::string numbers, scale, zero_point;
  };

  std::string node_name(const proto::NodeProto& node, const char* suffix) {
    return weights_.node_name(node, suffix);
  }

  // Sums of 8-bit products, times both scales, and what is added.
  void product(Scope& scope, const proto::NodeProto& node, const WeightUse& use) {
    const bool conv = use.kind == Kind::kConv;
    const Activation operand = activation(scope, use.operand);
    const StoredWeight& stored = weights_.get(use);
    const std::string sums = rewriter_.unique(node.output(0) + "_sums");
    proto::NodeProto& made = rewriter_.emit(
        scope, conv ? "ConvInteger" : "MatMulInteger", node_name(node, "_quant"),
        {operand.numbers, weights_.oriented(scope, stored, use), operand.zero_point, stored.zero_point},
        {sums});
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

  // Quantised once in each graph that reads it.
  Activation activation(Scope& scope, const std::string& name) {
    const auto [found, is_new] = scope.made.try_emplace(name);
    if (is_new) {
      found->second = rewriter_.unique(name + "_quantized");
      rewriter_.emit(scope, "DynamicQuantizeLinear", rewriter_.unique(name + "_QuantizeLinear"), {name},
                     {found->second, found->second + "_scale", found->second + "_zero_point"});
    }
    const std::string& base = found->second;
    return {base, base + "_scale", base + "_zero_point"};
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
  StoredWeights& weights_;
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
  StoredWeights weights(rewriter, options, readers, StoredWeights::Filters::kAgainstOutput);
  IntegerOperators operators(rewriter, weights);
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
