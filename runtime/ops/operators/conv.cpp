// Conv-22, com.microsoft FusedConv (a convolution with an activation behind it and an addend before that)
// and vulcap.Patches, the patch matrix alone.
#include "runtime/ops/conv.h"

#include <algorithm>

#include "runtime/ops/compose.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

core::Shape spatial_of(const core::Shape& image) { return {image.begin() + 2, image.end()}; }

void check_weight(InferContext& c, const core::Shape& image, const core::Shape& weight) {
  const int64_t group = c.attributes().integer("group", 1);
  if (image.size() < 3 || image.size() > 5) {
    c.fail("only convolutions over one to three spatial axes are supported, the input has shape " +
           core::shape_text(image));
  }
  if (weight.size() != image.size())
    c.fail("weight " + core::shape_text(weight) + " has another rank than the input");
  if (group < 1 || weight[1] * group != image[1] || weight[0] % group != 0) {
    c.fail("weight " + core::shape_text(weight) + " does not fit " + std::to_string(image[1]) +
           " channels in " + std::to_string(group) + " groups");
  }
  if (c.has(2) && !(c.shape(2) == SymShape{Dim(weight[0])})) {
    c.fail("bias " + core::shape_text(c.shape(2)) + " does not fit " + std::to_string(weight[0]) +
           " channels");
  }
  if (const auto kernel = c.attributes().integers("kernel_shape", spatial_of(weight));
      kernel != spatial_of(weight)) {
    c.fail("kernel_shape differs from the weight " + core::shape_text(weight));
  }
}

void infer_conv(InferContext& c) {
  const core::Shape image = known_shape(c, 0), weight = known_shape(c, 1);
  c.same_dtype(0, 1);
  check_weight(c, image, weight);
  const Window w = read_window(c.attributes(), spatial_of(weight), spatial_of(image));
  SymShape to{Dim(image[0]), Dim(weight[0])};
  for (int64_t size : w.out_sizes()) to.emplace_back(size);
  if (c.has(3) && !(c.shape(3) == to))
    c.fail("the addend " + core::shape_text(c.shape(3)) + " has another shape");
  c.set(0, c.dtype(0), std::move(to));
}

Window window_of(LowerContext& c) {
  return read_window(c.attributes(), spatial_of(c.shape(1)), spatial_of(c.shape(0)));
}

ConvOperands operands_of(LowerContext& c) {
  return {c.in(0), c.in(1), c.has(2) ? c.in(2) : graph::kNoValue, c.out(0)};
}

void lower_conv(LowerContext& c) {
  emit_conv(c, operands_of(c), window_of(c), c.attributes().integer("group", 1));
}

enum class UnaryOp : uint32_t {
#define VULCAP_UNARY(index, name, expression) k##name = index,
#include "shaders/elementwise.def"
#undef VULCAP_UNARY
};

// What FusedConv's attribute `activation` names: a code of the products' epilogue, or a row of its own.
struct Activation {
  std::string_view name;
  uint32_t act;
  UnaryOp op;
  float alpha, beta;
};

constexpr Activation kActivations[] = {
    {"Relu", abi::kActRelu, UnaryOp::kRelu, 0, 0},
    {"Tanh", abi::kActTanh, UnaryOp::kTanh, 0, 0},
    {"Sigmoid", abi::kActSigmoid, UnaryOp::kSigmoid, 0, 0},
    {"Gelu", abi::kActGelu, UnaryOp::kGelu, 0, 0},
    {"Silu", abi::kActSilu, UnaryOp::kSilu, 0, 0},
    {"LeakyRelu", abi::kActNone, UnaryOp::kLeakyRelu, 0.01f, 0},
    {"Clip", abi::kActNone, UnaryOp::kClip, -3.4028235e38f, 3.4028235e38f},
    {"HardSigmoid", abi::kActNone, UnaryOp::kHardSigmoid, 0.2f, 0.5f},
    {"HardSwish", abi::kActNone, UnaryOp::kHardSwish, 0, 0},
    {"", abi::kActNone, UnaryOp::kIdentity, 0, 0},
};

Activation activation_of(const Attributes& attributes) {
  const std::string name = attributes.text("activation", "");
  for (Activation activation : kActivations) {
    if (activation.name != name) continue;
    const graph::Attribute* params = attributes.find("activation_params");
    const auto* list = params == nullptr ? nullptr : std::get_if<std::vector<float>>(params);
    if (list != nullptr && !list->empty()) activation.alpha = (*list)[0];
    if (list != nullptr && list->size() > 1) activation.beta = (*list)[1];
    return activation;
  }
  throw core::Error(core::ErrorCode::kInvalidModel, "activation '" + name + "' is not known");
}

void infer_fused_conv(InferContext& c) {
  activation_of(c.attributes());
  infer_conv(c);
}

void lower_fused_conv(LowerContext& c) {
  const Activation activation = activation_of(c.attributes());
  const bool addend = c.has(3);
  const bool inside = !addend && (activation.act != abi::kActNone || activation.name.empty());
  ConvOperands operands = operands_of(c);
  const core::Shape to = c.static_shape(c.out(0));
  if (!inside) operands.out = c.temp(c.dtype(0), to);
  emit_conv(c, operands, window_of(c), c.attributes().integer("group", 1),
            inside ? activation.act : abi::kActNone);
  if (inside) return;
  Compose compose(c);
  ValueId value = operands.out;
  if (addend)
    value = compose.binary("Add", value, c.in(3), activation.name.empty() ? c.out(0) : graph::kNoValue);
  if (activation.name.empty()) return;
  const uint32_t n = narrow(int64_t(core::element_count(to)));
  c.emit("unary", {c.dtype(0), {}},
         abi::UnaryParams{n, uint32_t(activation.op), activation.alpha, activation.beta},
         {c.read(value), c.write(c.out(0))}, {n, 1, 1});
}

void infer_patches(InferContext& c) {
  const core::Shape image = known_shape(c, 0);
  const Window w = read_window(c.attributes(), c.attributes().integers("kernel_shape"), spatial_of(image));
  c.set(0, c.dtype(0), {Dim(image[0]), Dim(w.positions()), Dim(image[1] * w.taps())});
}

void lower_patches(LowerContext& c) {
  const Window w =
      read_window(c.attributes(), c.attributes().integers("kernel_shape"), spatial_of(c.shape(0)));
  emit_patches(c, c.in(0), c.out(0), w);
}

}  // namespace

void register_conv(OpRegistry& registry) {
  registry.add({"Conv", "", infer_conv, lower_conv});
  registry.add({"FusedConv", "com.microsoft", infer_fused_conv, lower_fused_conv});
  registry.add({"Patches", "vulcap", infer_patches, lower_patches});
}

}  // namespace vulcap::ops
