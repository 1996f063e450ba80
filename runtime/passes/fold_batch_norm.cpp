#include "runtime/passes/fold_batch_norm.h"

#include <cmath>

#include "runtime/core/half.h"
#include "runtime/passes/rewrite.h"

namespace vulcap::passes {
namespace {

// The numbers of a constant, or nothing.
std::optional<std::vector<double>> numbers(const Matcher& m, ValueId id) {
  if (id == kNoValue || !m.value(id).constant) return std::nullopt;
  std::vector<double> result;
  for (size_t i = 0; i < m.value(id).constant->size(); ++i) result.push_back(m.value(id).constant->at_f64(i));
  return result;
}

ValueId real_constant(Matcher& m, const std::string& name, core::DType dtype, core::Shape shape,
                      const std::vector<double>& values) {
  core::Tensor tensor(core::DType::kF32, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) tensor.mutable_as<float>()[i] = float(values[i]);
  if (dtype == core::DType::kF16) {
    core::Tensor half(dtype, tensor.shape());
    for (size_t i = 0; i < values.size(); ++i)
      half.mutable_as<uint16_t>()[i] = core::float_to_half(float(values[i]));
    tensor = std::move(half);
  }
  return m.graph().add_constant(name, std::move(tensor));
}

bool is_real(core::DType dtype) { return dtype == core::DType::kF32 || dtype == core::DType::kF16; }

// scale * (conv(x) + bias - mean) / sqrt(variance + epsilon) + shift
std::optional<Patch> scaled_weights(Matcher& m, const Node& norm) {
  if (!norm.is("BatchNormalization")) return std::nullopt;
  const Node* conv = m.producer(norm.inputs[0], "Conv");
  if (conv == nullptr || !m.single_use(norm.inputs[0])) return std::nullopt;
  auto weight = numbers(m, conv->inputs[1]);
  const auto scale = numbers(m, norm.inputs[1]), shift = numbers(m, norm.inputs[2]);
  const auto mean = numbers(m, norm.inputs[3]), variance = numbers(m, norm.inputs[4]);
  const bool biased = conv->input(2) != kNoValue;
  const auto bias = numbers(m, conv->input(2));
  const core::DType dtype = m.value(conv->inputs[1]).dtype;
  if (!weight || !scale || !shift || !mean || !variance || (biased && !bias) || !is_real(dtype))
    return std::nullopt;
  const double epsilon = double(norm.attributes.real("epsilon", 1e-5f));
  const size_t channels = scale->size(), window = weight->size() / std::max<size_t>(channels, 1);
  std::vector<double> sums(channels);
  for (size_t o = 0; o < channels; ++o) {
    const double factor = (*scale)[o] / std::sqrt((*variance)[o] + epsilon);
    for (size_t k = 0; k < window; ++k) (*weight)[o * window + k] *= factor;
    sums[o] = ((biased ? (*bias)[o] : 0.0) - (*mean)[o]) * factor + (*shift)[o];
  }
  const core::Shape shape = m.value(conv->inputs[1]).constant->shape();
  const std::string name = m.value(conv->inputs[1]).name;
  const Node old = *conv;
  const ValueId folded = real_constant(m, name + "#folded", dtype, shape, *weight);
  const ValueId added = real_constant(m, name + "#bias", dtype, {int64_t(channels)}, sums);
  Value result = m.value(norm.outputs[0]);  // the shape is that of the convolution, be its sizes known or not
  result.name = norm.name + "#Conv";
  const ValueId out = m.graph().add_value(std::move(result));
  return replace_with(norm.outputs[0],
                      Node{"Conv", "", old.name, {old.inputs[0], folded, added}, {out}, old.attributes});
}

}  // namespace

int fold_batch_norm(Graph& graph) { return apply_rules(graph, {scaled_weights}); }

}  // namespace vulcap::passes
