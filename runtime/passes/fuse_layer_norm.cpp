// Normalisation of the last axis as exporters write it: LayerNormalization, (x - mean) / sqrt(mean((x -
// mean)^2) + epsilon) * scale + bias, and RMSNormalization, which takes no mean away and has no bias.
#include "runtime/passes/pass.h"
#include "runtime/passes/rewrite.h"

namespace vulcap::passes {
namespace {

// ReduceMean over the last axis, kept.
const Node* last_axis_mean(const Matcher& m, ValueId value) {
  const Node* mean = m.producer(value, "ReduceMean");
  if (mean == nullptr || mean->attributes.integer("keepdims", 1) == 0) return nullptr;
  const ValueId axes = mean->input(1);
  if (axes == kNoValue || !m.value(axes).constant || m.value(axes).constant->size() != 1) return nullptr;
  const int64_t axis = m.value(axes).constant->at_i64(0);
  return axis == -1 || axis + 1 == int64_t(m.shape(mean->inputs[0]).size()) ? mean : nullptr;
}

// x when the value is x - mean(x).
ValueId centred(const Matcher& m, ValueId value) {
  const Node* sub = m.producer(value, "Sub");
  const Node* mean = sub == nullptr ? nullptr : last_axis_mean(m, sub->inputs[1]);
  return mean != nullptr && mean->inputs[0] == sub->inputs[0] ? sub->inputs[0] : kNoValue;
}

// Exporters write the difference from the mean once or twice.
bool same(const Matcher& m, ValueId a, ValueId b) {
  return a == b || (centred(m, a) != kNoValue && centred(m, a) == centred(m, b));
}

bool is_square_of(const Matcher& m, ValueId value, ValueId base) {
  if (const Node* pow = m.producer(value, "Pow"))
    return same(m, pow->inputs[0], base) && m.is_splat(pow->inputs[1], 2);
  const Node* mul = m.producer(value, "Mul");
  return mul != nullptr && same(m, mul->inputs[0], base) && same(m, mul->inputs[1], base);
}

// r when the value is sqrt(r).
ValueId root_of(const Matcher& m, ValueId value) {
  if (const Node* sqrt = m.producer(value, "Sqrt")) return sqrt->inputs[0];
  const Node* pow = m.producer(value, "Pow");
  return pow != nullptr && m.is_splat(pow->inputs[1], 0.5) ? pow->inputs[0] : kNoValue;
}

// r when the value is 1 / sqrt(r).
ValueId inverse_root_of(const Matcher& m, ValueId value) {
  const Node* node = m.producer(value);
  if (node == nullptr) return kNoValue;
  if (node->is("Reciprocal")) return root_of(m, node->inputs[0]);
  if (node->is("Div") && m.is_splat(node->inputs[0], 1)) return root_of(m, node->inputs[1]);
  return node->is("Pow") && m.is_splat(node->inputs[1], -0.5) ? node->inputs[0] : kNoValue;
}

// {x, r} when the value is x / sqrt(r).
std::optional<std::pair<ValueId, ValueId>> over_root(const Matcher& m, ValueId value) {
  const Node* node = m.producer(value);
  if (node == nullptr || node->inputs.size() != 2) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const ValueId divisor = node->inputs[1 - i];
    const ValueId root = node->is("Mul")             ? inverse_root_of(m, divisor)
                         : node->is("Div") && i == 0 ? root_of(m, divisor)
                                                     : kNoValue;
    if (root != kNoValue) return std::pair{node->inputs[i], root};
  }
  return std::nullopt;
}

struct Normalised {
  ValueId x = kNoValue;
  double epsilon = 0;
  bool keeps_mean = false;
};

std::optional<Normalised> normalised(const Matcher& m, ValueId value) {
  const auto quotient = over_root(m, value);
  const Node* shifted = quotient ? m.producer(quotient->second, "Add") : nullptr;
  const auto parts = shifted != nullptr ? m.split_splat(*shifted) : std::nullopt;
  const Node* variance = parts ? last_axis_mean(m, parts->first) : nullptr;
  if (variance == nullptr || !is_square_of(m, variance->inputs[0], quotient->first)) return std::nullopt;
  const ValueId x = centred(m, quotient->first);
  return Normalised{x != kNoValue ? x : quotient->first, parts->second, x == kNoValue};
}

bool is_float_cast(const Matcher& m, const Node* node) {
  return node != nullptr && node->is("Cast") && core::dtype_is_float(m.value(node->inputs[0]).dtype);
}

// fp16 files compute the quotient in fp32: the kernel does so anyway, and reads and writes fp16.
ValueId before_cast(const Matcher& m, ValueId value) {
  const Node* cast = m.producer(value, "Cast");
  return is_float_cast(m, cast) ? cast->inputs[0] : value;
}

bool is_row_constant(const Matcher& m, ValueId value, const core::Dim& columns) {
  const auto& shape = m.shape(value);
  return m.value(value).constant && !shape.empty() && shape.back() == columns &&
         core::product(shape) == columns;
}

ValueId as_row(Matcher& m, Patch& patch, const std::string& name, ValueId value) {
  if (m.shape(value).size() == 1) return value;
  patch.nodes.push_back(m.make_view(name + "/row", value, {m.shape(value).back()}));
  return patch.nodes.back().outputs[0];
}

Patch norm_patch(Matcher& m, const Normalised& norm, ValueId x, ValueId scale, const Node& replaced) {
  Patch patch;
  graph::Attributes attributes;
  attributes.set("axis", int64_t(-1));
  attributes.set("epsilon", float(norm.epsilon));
  const ValueId row = as_row(m, patch, replaced.name, scale);
  const char* op = norm.keeps_mean ? "RMSNormalization" : "LayerNormalization";
  patch.nodes.push_back(m.make(op, "", replaced.name, {x, row}, std::move(attributes)));
  patch.replaced.emplace_back(replaced.outputs[0], patch.nodes.back().outputs[0]);
  return patch;
}

// quotient * scale
std::optional<Patch> scaled(Matcher& m, const Node& mul) {
  if (!mul.is("Mul")) return std::nullopt;
  for (size_t s = 0; s < 2; ++s) {
    const auto norm = normalised(m, before_cast(m, mul.inputs[1 - s]));
    if (!norm || !is_row_constant(m, mul.inputs[s], m.shape(norm->x).back())) continue;
    const core::DType dtype = m.value(mul.outputs[0]).dtype;
    const ValueId x = m.value(norm->x).dtype == dtype ? norm->x : before_cast(m, norm->x);
    if (m.value(x).dtype != dtype || !(m.shape(x) == m.shape(mul.outputs[0]))) continue;
    return norm_patch(m, *norm, x, mul.inputs[s], mul);
  }
  return std::nullopt;
}

// The quotient alone: a scale of ones was dropped.
std::optional<Patch> unscaled(Matcher& m, const Node& node) {
  if (!node.is("Mul") && !node.is("Div")) return std::nullopt;
  const auto norm = normalised(m, node.outputs[0]);
  if (!norm || m.value(norm->x).dtype != core::DType::kF32 || !m.shape(norm->x).back().is_constant())
    return std::nullopt;
  const int64_t columns = m.shape(norm->x).back().value();
  const std::vector<float> ones(size_t(columns), 1.0f);
  const ValueId scale = m.graph().add_constant(node.name + "/ones",
                                               core::Tensor::from<float>(core::DType::kF32, {columns}, ones));
  return norm_patch(m, *norm, norm->x, scale, node);
}

std::optional<Patch> biased(Matcher& m, const Node& add) {
  if (!add.is("Add")) return std::nullopt;
  for (size_t b = 0; b < 2; ++b) {
    const ValueId product = add.inputs[1 - b];
    const Node* norm = m.producer(product, "LayerNormalization");
    if (norm == nullptr || norm->input(2) != kNoValue || !m.single_use(product)) continue;
    if (!is_row_constant(m, add.inputs[b], m.shape(product).back())) continue;
    if (m.value(norm->inputs[1]).shape->size() != 1) continue;
    const Node bare = *norm;
    Patch patch;
    const ValueId bias = as_row(m, patch, add.name, add.inputs[b]);
    patch.nodes.push_back(
        m.make("LayerNormalization", "", add.name, {bare.inputs[0], bare.inputs[1], bias}, bare.attributes));
    patch.replaced.emplace_back(add.outputs[0], patch.nodes.back().outputs[0]);
    return patch;
  }
  return std::nullopt;
}

}  // namespace

int fuse_layer_norm(Graph& graph) {
  return apply_rules(graph, {scaled, biased}) + apply_rules(graph, {unscaled, biased});
}

}  // namespace vulcap::passes
