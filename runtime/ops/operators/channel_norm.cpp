// Normalisation over channels and whole planes: BatchNormalization-15 (inference), InstanceNormalization-22,
// GroupNormalization-21, MeanVarianceNormalization-13, LpNormalization-22, LRN-13.
#include <algorithm>

#include "runtime/ops/compose.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/norm.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// Elements of one channel of [batch, channels, ...].
uint32_t plane_size(const core::Shape& shape) {
  return narrow(int64_t(core::element_count({shape.begin() + 2, shape.end()})));
}

void check_channels(InferContext& c, size_t first, size_t last, const Dim& channels) {
  if (c.rank(0) < 2) c.fail("the input must be [batch, channels, ...]");
  for (size_t i = first; i <= last; ++i) {
    if (!(c.shape(i) == SymShape{channels}))
      c.fail("operand " + core::shape_text(c.shape(i)) + " does not fit " + channels.text() + " channels");
  }
}

void infer_batch_norm(InferContext& c) {
  if (c.attributes().integer("training_mode", 0) != 0) c.fail("training_mode is not supported");
  for (size_t i = 1; i < c.outputs(); ++i) {
    if (c.node().outputs[i] != graph::kNoValue) c.fail("outputs behind the first are those of training");
  }
  if (c.rank(0) < 1) c.fail("the input must be [batch, channels, ...]");
  if (c.rank(0) > 1) check_channels(c, 1, 4, c.shape(0)[1]);
  c.set(0, c.dtype(0), c.shape(0));
}

void lower_batch_norm(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const int64_t channels = shape.size() > 1 ? shape[1] : 1;
  abi::LayerNormParams p{};
  p.cols = shape.size() > 1 ? plane_size(shape) : 1;
  p.rows = narrow(shape[0] * channels);
  p.flags = abi::kNormGiven | abi::kNormRowScale;
  p.epsilon = c.attributes().real("epsilon", 1e-5f);
  p.period = narrow(channels);
  p.step = 1;
  p.inner = std::max(p.cols, 1u);
  Compose compose(c);
  NormOperands o;
  o.x = c.in(0);
  o.scale = compose.cast(c.in(1), c.dtype(0));
  o.bias = compose.cast(c.in(2), c.dtype(0));
  o.mean = compose.cast(c.in(3), DType::kF32);
  o.inverse = compose.cast(c.in(4), DType::kF32);
  o.y = c.out(0);
  emit_norm(c, o, p);
}

void infer_instance_norm(InferContext& c) {
  if (c.rank(0) < 2) c.fail("the input must be [batch, channels, ...]");
  check_channels(c, 1, 2, c.shape(0)[1]);
  c.set(0, c.dtype(0), c.shape(0));
}

// Scale and bias have an element a channel or, before opset 21, a group.
void infer_group_norm(InferContext& c) {
  const int64_t groups = c.attributes().integer("num_groups", 0);
  if (c.rank(0) < 2) c.fail("the input must be [batch, channels, ...]");
  const Dim channels = c.shape(0)[1];
  if (groups < 1 || !channels.is_constant() || channels.value() % groups != 0)
    c.fail(channels.text() + " channels in " + std::to_string(groups) + " groups");
  check_channels(c, 1, 2, c.shape(1) == SymShape{Dim(groups)} ? Dim(groups) : channels);
  c.set(0, c.dtype(0), c.shape(0));
}

void lower_group_norm(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const bool instance = c.node().op == "InstanceNormalization";
  const int64_t groups = instance ? shape[1] : c.attributes().integer("num_groups", 1);
  const int64_t scales = c.shape(1)[0];
  abi::LayerNormParams p{};
  p.rows = narrow(shape[0] * groups);
  p.cols = narrow(shape[1] / groups) * plane_size(shape);
  p.flags = abi::kNormRowScale;
  p.epsilon = c.attributes().real("epsilon", 1e-5f);
  p.period = narrow(groups);
  p.step = narrow(scales / groups);
  p.inner = std::max(1u, p.cols / std::max(p.step, 1u));
  Compose compose(c);
  NormOperands o;
  o.x = c.in(0);
  o.scale = compose.cast(c.in(1), c.dtype(0));
  o.bias = compose.cast(c.in(2), c.dtype(0));
  o.y = c.out(0);
  emit_norm(c, o, p);
}

std::vector<bool> normalised_axes(const Attributes& attributes, size_t rank) {
  std::vector<bool> result(rank, false);
  for (int64_t axis : attributes.integers("axes", {0, 2, 3})) {
    if (axis < 0) axis += int64_t(rank);
    if (axis < 0 || axis >= int64_t(rank))
      throw core::Error(core::ErrorCode::kInvalidModel, "axis " + std::to_string(axis) + " is outside");
    result[size_t(axis)] = true;
  }
  return result;
}

void infer_mean_variance(InferContext& c) {
  normalised_axes(c.attributes(), c.rank(0));
  c.set(0, c.dtype(0), c.shape(0));
}

// The axes are brought last by a copy, and back.
void lower_mean_variance(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const auto strides = row_major_strides(shape);
  const auto normalised = normalised_axes(c.attributes(), shape.size());
  abi::LayerNormParams p{1, 1, 0, 1e-18f, 0, 0, 0};
  StridedCopy there;
  for (bool want : {false, true}) {
    for (size_t i = 0; i < shape.size(); ++i) {
      if (normalised[i] != want) continue;
      (want ? p.cols : p.rows) *= narrow(shape[i]);
      there.shape.push_back(shape[i]);
      there.in_strides.push_back(strides[i]);
    }
  }
  there.out_strides = row_major_strides(there.shape);
  NormOperands o;
  o.x = c.temp(c.dtype(0), there.shape);
  o.y = c.temp(c.dtype(0), there.shape);
  emit_copy(c, c.in(0), o.x, there);
  emit_norm(c, o, p);
  emit_copy(c, o.y, c.out(0), {there.shape, there.out_strides, there.in_strides});
}

void infer_lp_norm(InferContext& c) {
  c.axis(c.attributes().integer("axis", -1), c.rank(0));
  const int64_t p = c.attributes().integer("p", 2);
  if (p != 1 && p != 2) c.fail("p must be 1 or 2, not " + std::to_string(p));
  c.set(0, c.dtype(0), c.shape(0));
}

// x / max(norm, tiny): a row of zeros stays one.
void lower_lp_norm(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  InferContext rule(c.graph(), c.node());
  const size_t axis = rule.axis(c.attributes().integer("axis", -1), shape.size());
  abi::ReduceParams p{1, 1, 1, c.attributes().integer("p", 2) == 1 ? abi::kReduceL1 : abi::kReduceL2};
  for (size_t i = 0; i < shape.size(); ++i)
    (i < axis ? p.outer : i == axis ? p.reduce : p.inner) *= narrow(shape[i]);
  core::Shape kept = shape;
  kept[axis] = 1;
  const ValueId norm = c.temp(c.dtype(0), kept);
  c.emit("reduce", {c.dtype(0), {}}, p, {c.read(c.in(0)), c.write(norm)}, {p.outer * p.inner, 1, 1});
  Compose compose(c);
  const ValueId tiny = compose.fill(c.dtype(0), {1}, c.dtype(0) == DType::kF16 ? 6e-8 : 1e-37);
  compose.binary("Div", c.in(0), compose.binary("Max", norm, tiny), c.out(0));
}

void infer_lrn(InferContext& c) {
  if (c.rank(0) < 2) c.fail("the input must be [batch, channels, ...]");
  if (c.attributes().integer("size", 0) < 1) c.fail("size must be positive");
  c.set(0, c.dtype(0), c.shape(0));
}

// x / (bias + alpha * mean of squares over `size` channels)^beta, in f32.
void lower_lrn(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const int64_t size = c.attributes().integer("size", 1);
  const DType real = c.dtype(0) == DType::kF64 ? DType::kF64 : DType::kF32;
  Compose compose(c);
  const ValueId x = compose.cast(c.in(0), real), means = c.temp(real, shape);
  const auto number = [&](const char* name, float fallback) {
    return compose.fill(real, {1}, double(c.attributes().real(name, fallback)));
  };
  const uint32_t channels = narrow(shape[1]), plane = plane_size(shape), taps = narrow(size);
  const int32_t front = int32_t((size - 1) / 2);
  const abi::PoolParams p{narrow(shape[0]),
                          abi::kPoolMean,
                          {1, channels, plane},
                          {1, channels, plane},
                          {1, taps, 1},
                          {1, 1, 1},
                          {1, 1, 1},
                          {0, front, 0},
                          {0, taps, 0},
                          abi::kPoolCountPads,
                          0};
  c.emit("pool", {real, {}}, p, {c.read(compose.binary("Mul", x, x)), c.write(means), c.write(means)},
         {p.planes * channels * plane, 1, 1});
  const ValueId shifted =
      compose.binary("Add", compose.binary("Mul", means, number("alpha", 1e-4f)), number("bias", 1.0f));
  const ValueId power = compose.binary("Pow", shifted, number("beta", 0.75f));
  const bool same = real == c.dtype(0);
  const ValueId y = compose.binary("Div", x, power, same ? c.out(0) : graph::kNoValue);
  if (!same) compose.cast(y, c.dtype(0), c.out(0));
}

}  // namespace

void register_channel_norm(OpRegistry& registry) {
  registry.add({"BatchNormalization", "", infer_batch_norm, lower_batch_norm});
  registry.add({"InstanceNormalization", "", infer_instance_norm, lower_group_norm});
  registry.add({"GroupNormalization", "", infer_group_norm, lower_group_norm});
  registry.add({"MeanVarianceNormalization", "", infer_mean_variance, lower_mean_variance});
  registry.add({"LpNormalization", "", infer_lp_norm, lower_lp_norm});
  registry.add({"LRN", "", infer_lrn, lower_lrn});
}

}  // namespace vulcap::ops
