#include "loader/conversion/quantization/static_operators.h"

#include <cmath>
#include <limits>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "loader/conversion/quantization/activation_ranges.h"
#include "loader/conversion/quantization/stored_weights.h"
#include "loader/conversion/quantization/weight_readers.h"
#include "runtime/core/error.h"

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;
using core::DType;
using core::Tensor;
using Kind = WeightUse::Kind;

constexpr int64_t kOldestOpset = 10;        // QuantizeLinear
constexpr int64_t kPerAxisDequantize = 13;  // with a scale for each index of an axis

// How activations are stored: uint8.
struct Step {
  float scale = 1;
  uint8_t zero = 0;
};

Step step_of(const Range& range) {
  const double scale = (range.high - range.low) / 255;
  if (!(scale >= double(std::numeric_limits<float>::min()))) return {};
  return {float(scale), uint8_t(std::lround(-range.low / scale))};
}

class StaticOperators {
 public:
  StaticOperators(GraphRewriter& rewriter, StoredWeights& weights, const ActivationRanges& ranges)
      : rewriter_(rewriter), weights_(weights), ranges_(ranges) {}

  void replace(Scope& scope, const proto::NodeProto& node, const WeightUse& use) {
    if (use.kind == Kind::kTable) return weights_.emit_table(scope, node, use);
    const Step step = operand_step(scope, use.operand);
    const StoredWeight& stored = weights_.get(use);
    std::vector<std::string> inputs{operand(scope, use.operand, step), weight(scope, stored, use)};
    if (!use.addend.empty()) inputs.push_back(addend(scope, use, stored, step));
    const auto range = ranges_.result(scope, node.output(0));
    proto::NodeProto made = node;
    made.clear_input();
    for (const std::string& input : inputs) made.add_input(input);
    // Weights are stored as [K,N].
    if (node.op_type() == "Gemm") set_attribute(made, "transB", int64_t(0));
    emit(scope, std::move(made), range);
  }

  // An activation whose result is to be quantised.
  bool quantize_result(Scope& scope, const proto::NodeProto& node) {
    if (node.output_size() != 1) return false;
    const auto range = ranges_.result(scope, node.output(0));
    if (range) emit(scope, node, range);
    return range.has_value();
  }

 private:
  struct StepNames {
    std::string scale, zero;
  };

  // The node, and behind it its result in steps of `range`.
  void emit(Scope& scope, proto::NodeProto node, const std::optional<Range>& range) {
    const std::string name = node.output(0), real = range ? rewriter_.unique(name + "_real") : name;
    node.set_output(0, real);
    *scope.graph().add_node() = std::move(node);
    if (!range) return;
    const Step step = step_of(*range);
    in_steps(scope, real, name, step);
    scope.made[name] = name;
    results_[{&scope.graph(), name}] = step;
  }

  // What a convolution gave is in steps already.
  Step operand_step(Scope& scope, const std::string& name) const {
    const auto found = results_.find({&scope.graph(), name});
    return found != results_.end() ? found->second : step_of(*ranges_.operand(scope, name));
  }

  // `from` rounded to steps, as `to`.
  void in_steps(Scope& scope, const std::string& from, const std::string& to, const Step& step) {
    const StepNames names = step_names(scope, to, step);
    const std::string stored = rewriter_.unique(from + "_quantized");
    rewriter_.emit(scope, "QuantizeLinear", rewriter_.unique(from + "_QuantizeLinear"),
                   {from, names.scale, names.zero}, {stored});
    rewriter_.emit(scope, "DequantizeLinear", rewriter_.unique(from + "_DequantizeLinear"),
                   {stored, names.scale, names.zero}, {to});
  }

  StepNames step_names(Scope& scope, const std::string& name, const Step& step) {
    return {
        rewriter_.add_constant(scope, name + "_scale", Tensor::from<float>(DType::kF32, {}, {step.scale})),
        rewriter_.add_constant(scope, name + "_zero_point",
                               Tensor::from<uint8_t>(DType::kU8, {}, {step.zero}))};
  }

  // Rounded once in each graph that reads it.
  std::string operand(Scope& scope, const std::string& name, const Step& step) {
    const auto [found, is_new] = scope.made.try_emplace(name);
    if (is_new) {
      found->second = rewriter_.unique(name + "_dequantized");
      in_steps(scope, name, found->second, step);
    }
    return scope.made.at(name);
  }

  std::string weight(Scope& scope, const StoredWeight& stored, const WeightUse& use) {
    const std::string numbers = weights_.oriented(scope, stored, use);
    const int64_t axis = use.kind == Kind::kConv ? 0 : 1;
    return dequantized(scope, numbers, stored.scale, stored.zero_point, stored.per_channel, axis);
  }

  std::string dequantized(Scope& scope, const std::string& numbers, const std::string& scale,
                          const std::string& zero_point, bool per_channel, int64_t axis) {
    const std::string key = numbers + " dequantized";
    const auto [found, is_new] = scope.made.try_emplace(key);
    if (!is_new) return found->second;
    found->second = rewriter_.unique(numbers + "_dequantized");
    std::vector<std::string> inputs{numbers, scale};
    if (!zero_point.empty()) inputs.push_back(zero_point);
    proto::NodeProto& node = rewriter_.emit(
        scope, "DequantizeLinear", rewriter_.unique(numbers + "_DequantizeLinear"), inputs, {found->second});
    if (per_channel) set_attribute(node, "axis", axis);
    return found->second;
  }

  // Integer operators add int32 sums in steps of both scales.
  std::string addend(Scope& scope, const WeightUse& use, const StoredWeight& stored, const Step& step) {
    const auto bias = scope.constant(use.addend);
    if (!bias || bias->tensor->dims_size() != 1) return use.addend;
    const auto [found, is_new] =
        biases_.try_emplace({bias->tensor, stored.numbers, step.scale}, StoredWeight{});
    if (is_new) found->second = stored_bias(*bias, stored, step);
    const StoredWeight& sums = found->second;
    if (sums.numbers.empty()) return use.addend;
    return dequantized(scope, sums.numbers, sums.scale, "", sums.per_channel, 0);
  }

  // No numbers where they exceed int32.
  StoredWeight stored_bias(const Scope::Constant& bias, const StoredWeight& stored, const Step& step) {
    const Tensor real = rewriter_.model().tensor(*bias.tensor);
    const Tensor scales = weights_.scales(stored);
    const bool fits = scales.size() == 1 || scales.size() == real.size();
    Tensor numbers(DType::kI32, real.shape()), steps(DType::kF32, scales.shape());
    for (size_t i = 0; i < scales.size(); ++i)
      steps.mutable_as<float>()[i] = step.scale * scales.as<float>()[i];
    for (size_t i = 0; fits && i < real.size(); ++i) {
      const double value =
          std::nearbyint(double(real.as<float>()[i]) / double(steps.as<float>()[scales.size() == 1 ? 0 : i]));
      if (std::abs(value) > double(std::numeric_limits<int32_t>::max())) return {};
      numbers.mutable_as<int32_t>()[i] = int32_t(value);
    }
    if (!fits) return {};
    const std::string name = bias.tensor->name();
    StoredWeight made;
    made.numbers = rewriter_.add_constant(*bias.scope, name + "_quantized", std::move(numbers));
    made.scale = rewriter_.add_constant(*bias.scope, name + "_quantized_scale", std::move(steps));
    made.per_channel = stored.per_channel;
    return made;
  }

  GraphRewriter& rewriter_;
  StoredWeights& weights_;
  const ActivationRanges& ranges_;
  std::map<std::tuple<const proto::TensorProto*, std::string, float>, StoredWeight> biases_;
  std::map<std::pair<const proto::GraphProto*, std::string>, Step> results_;
};

void check_opset(const GraphRewriter& rewriter, const Options& options) {
  const int64_t opset = rewriter.opset(""), needed = options.per_channel ? kPerAxisDequantize : kOldestOpset;
  if (opset >= needed) return;
  throw core::Error(core::ErrorCode::kUsage,
                    "is of opset " + std::to_string(opset) + "; calibrated int8 and uint8 need opset " +
                        std::to_string(kOldestOpset) + " or later, per channel opset " +
                        std::to_string(kPerAxisDequantize) + ": export it anew");
}

}  // namespace

Changes quantize_statically(GraphRewriter& rewriter, const Options& options) {
  check_opset(rewriter, options);
  const Exclusion exclusion(options.exclude);
  const WeightReaders readers(rewriter, {.convs = true, .tables = true}, false, exclusion);
  const ActivationRanges ranges(rewriter, readers, *options.calibration);
  Changes changes{0, readers.kept(), exclusion.unmatched()};
  StoredWeights weights(rewriter, options, readers, StoredWeights::Filters::kByAxis);
  StaticOperators operators(rewriter, weights, ranges);
  rewriter.rewrite([&](Scope& scope, proto::NodeProto& node) {
    const auto use = readers.use(scope, node);
    if (!use) return operators.quantize_result(scope, node);
    if (use->kind != Kind::kTable && !ranges.operand(scope, use->operand)) {
      changes.kept.push_back({node_text(node), "no sample of the calibration reached it"});
      return false;
    }
    operators.replace(scope, node, *use);
    ++changes.nodes;
    return true;
  });
  return changes;
}

}  // namespace vulcap::quantization
