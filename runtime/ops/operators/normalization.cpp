// Normalisation of the last axes: LayerNormalization-17, RMSNormalization-23, and ONNX Runtime's
// SimplifiedLayerNormalization, SkipLayerNormalization and SkipSimplifiedLayerNormalization, which also occur
// in the domain of ONNX. Softmax-13, LogSoftmax-13.
#include "runtime/ops/compose.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/norm.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

void infer_same(InferContext& c) { c.set(0, c.dtype(0), c.shape(0)); }

bool is_rms(const Node& node) {
  return node.op.find("Layer") == std::string::npos || node.op.find("Simplified") != std::string::npos;
}

// Which operand and output is which.
struct Roles {
  size_t scale, bias;    // operands
  size_t mean, inverse;  // outputs
};

Roles roles_of(const Node& node) {
  const bool skip = node.op.starts_with("Skip"), rms = is_rms(node);
  if (skip) return {2, rms ? 9u : 3u, 1, 2};
  return {1, rms ? 9u : 2u, rms ? 9u : 1u, rms ? 1u : 2u};
}

size_t norm_axis(const Attributes& attributes, size_t rank) {
  const int64_t axis = attributes.integer("axis", -1);
  return size_t(axis < 0 ? axis + int64_t(rank) : axis);
}

void set_moments(InferContext& c, const Roles& roles, size_t axis) {
  SymShape moments = c.shape(0);
  for (size_t i = axis; i < moments.size(); ++i) moments[i] = Dim(1);
  for (size_t output : {roles.mean, roles.inverse}) {
    if (output < c.outputs() && c.node().outputs[output] != graph::kNoValue)
      c.set(output, DType::kF32, moments);
  }
}

void infer_layer_norm(InferContext& c) {
  const Roles roles = roles_of(c.node());
  const SymShape& shape = c.shape(0);
  const size_t axis = c.axis(c.attributes().integer("axis", -1), shape.size());
  const Dim columns = core::product(shape, axis);
  for (size_t i : {roles.scale, roles.bias}) {
    if (!c.has(i) || core::product(c.shape(i)) == columns) continue;
    if (c.rank(i) > shape.size() || !(broadcast(c.shape(i), shape) == shape)) {
      c.fail("scale or bias " + core::shape_text(c.shape(i)) + " does not fit " + core::shape_text(shape));
    }
  }
  c.set(0, c.has(roles.scale) ? c.dtype(roles.scale) : c.dtype(0), shape);
  set_moments(c, roles, axis);
}

void infer_skip_norm(InferContext& c) {
  const Roles roles = roles_of(c.node());
  const SymShape& shape = c.shape(0);
  if (shape.empty() || !(broadcast(c.shape(1), shape) == shape))
    c.fail("skip " + core::shape_text(c.shape(1)) + " does not fit " + core::shape_text(shape));
  for (size_t i = 2; i < c.inputs(); ++i) {
    if (c.has(i) && !(c.shape(i) == SymShape{shape.back()}))
      c.fail("operand " + core::shape_text(c.shape(i)) + " does not fit " + core::shape_text(shape));
  }
  infer_same(c);
  set_moments(c, roles, shape.size() - 1);
  if (c.outputs() > 3 && c.node().outputs[3] != graph::kNoValue) c.set(3, c.dtype(0), shape);
}

struct RowsAndColumns {
  uint32_t rows = 1;
  uint32_t columns = 1;
};

RowsAndColumns split_at(const core::Shape& shape, size_t axis) {
  RowsAndColumns result;
  for (size_t i = 0; i < shape.size(); ++i) (i < axis ? result.rows : result.columns) *= narrow(shape[i]);
  return result;
}

abi::LayerNormParams norm_params(LowerContext& c, const core::Shape& shape, size_t axis, float epsilon) {
  const auto [rows, columns] = split_at(shape, axis);
  abi::LayerNormParams p{};
  p.rows = rows;
  p.cols = columns;
  p.epsilon = c.attributes().real("epsilon", epsilon);
  p.flags = is_rms(c.node()) ? abi::kNormRms : 0;
  return p;
}

// Scale and bias that do not fit the columns are applied behind the norm; operands of two dtypes are
// computed in f32.
void lower_layer_norm(LowerContext& c) {
  const Roles roles = roles_of(c.node());
  const core::Shape shape = c.shape(0);
  const abi::LayerNormParams p = norm_params(c, shape, norm_axis(c.attributes(), shape.size()), 1e-5f);
  const DType out = c.value(c.out(0)).dtype, dtype = c.dtype(0) == out ? out : DType::kF32;
  Compose compose(c);
  const auto operand = [&](size_t i) { return c.has(i) ? compose.cast(c.in(i), dtype) : graph::kNoValue; };
  const ValueId scale = operand(roles.scale), bias = operand(roles.bias);
  const auto fits = [&](ValueId id) {
    return id == graph::kNoValue || core::element_count(c.static_shape(id)) == p.cols;
  };
  NormOperands o;
  o.x = compose.cast(c.in(0), dtype);
  o.y = dtype == out ? c.out(0) : c.temp(dtype, shape);
  o.mean = c.out(roles.mean);
  o.inverse = c.out(roles.inverse);
  const ValueId result = o.y;
  if (fits(scale) && fits(bias)) {
    o.scale = scale;
    o.bias = bias;
    emit_norm(c, o, p);
  } else {
    o.y = c.temp(dtype, shape);
    emit_norm(c, o, p);
    const ValueId scaled =
        compose.binary("Mul", o.y, scale, bias == graph::kNoValue ? result : graph::kNoValue);
    if (bias != graph::kNoValue) compose.binary("Add", scaled, bias, result);
  }
  if (dtype != out) compose.cast(result, out, c.out(0));
}

// sum = input + skip + bias, normalised.
void lower_skip_norm(LowerContext& c) {
  const Roles roles = roles_of(c.node());
  const core::Shape shape = c.shape(0);
  const size_t bias_operand = is_rms(c.node()) ? 3 : 4;
  Compose compose(c);
  NormOperands o;
  o.x = c.has(bias_operand) ? compose.binary("Add", c.in(0), c.in(bias_operand)) : c.in(0);
  o.sum = c.out(3);
  if (c.shape(1) == shape) {
    o.skip = c.in(1);
  } else {
    o.x = compose.binary("Add", o.x, c.in(1), o.sum);
    o.sum = graph::kNoValue;
  }
  o.scale = compose.cast(c.in(roles.scale), c.dtype(0));
  if (c.has(roles.bias)) o.bias = compose.cast(c.in(roles.bias), c.dtype(0));
  o.y = c.out(0);
  o.mean = c.out(1);
  o.inverse = c.out(2);
  emit_norm(c, o, norm_params(c, shape, shape.size() - 1, 1e-12f));
}

void infer_softmax(InferContext& c) {
  if (c.rank(0) > 0) c.axis(c.attributes().integer("axis", -1), c.rank(0));
  infer_same(c);
}

// The axis is brought last by a copy when it is not.
void lower_softmax(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const size_t axis = shape.empty() ? 0 : norm_axis(c.attributes(), shape.size());
  const bool flatten = c.attributes().integer("flatten", 0) != 0;  // Softmax before opset 13
  const uint32_t log_output = c.node().op == "LogSoftmax";
  auto emit = [&](ValueId from, ValueId to, RowsAndColumns size) {
    c.emit("softmax", {c.dtype(0), {}}, abi::SoftmaxParams{size.rows, size.columns, log_output},
           {c.read(from), c.write(to)}, {size.rows, 1, 1});
  };
  if (flatten || axis + 1 >= shape.size()) return emit(c.in(0), c.out(0), split_at(shape, axis));
  StridedCopy there{shape, row_major_strides(shape), {}};
  std::swap(there.shape[axis], there.shape.back());
  std::swap(there.in_strides[axis], there.in_strides.back());
  there.out_strides = row_major_strides(there.shape);
  const ValueId moved = c.temp(c.dtype(0), there.shape);
  const ValueId result = c.temp(c.dtype(0), there.shape);
  emit_copy(c, c.in(0), moved, there);
  emit(moved, result, split_at(there.shape, there.shape.size() - 1));
  emit_copy(c, result, c.out(0), {there.shape, there.out_strides, there.in_strides});
}

}  // namespace

void register_normalization(OpRegistry& registry) {
  registry.add({"LayerNormalization", "", infer_layer_norm, lower_layer_norm});
  registry.add({"RMSNormalization", "", infer_layer_norm, lower_layer_norm});
  registry.add({"SimplifiedLayerNormalization", "", infer_layer_norm, lower_layer_norm});
  registry.add({"SimplifiedLayerNormalization", "com.microsoft", infer_layer_norm, lower_layer_norm});
  registry.add({"SkipLayerNormalization", "com.microsoft", infer_skip_norm, lower_skip_norm});
  registry.add({"SkipSimplifiedLayerNormalization", "com.microsoft", infer_skip_norm, lower_skip_norm});
  registry.add({"LayerNormalization", "com.microsoft", infer_layer_norm, lower_layer_norm});
  registry.add({"Softmax", "", infer_softmax, lower_softmax});
  registry.add({"LogSoftmax", "", infer_softmax, lower_softmax});
}

}  // namespace vulcap::ops
