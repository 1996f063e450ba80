// Largest and smallest elements, their places, and running totals: TopK-24, ArgMax-13, ArgMin-13, Hardmax-13,
// CumSum-14 and CumProd-26.
#include "runtime/ops/compose.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// The k first elements along an axis and their places.
struct Selected {
  ValueId values;
  ValueId places;
};

// Results are [outer, k, inner] in memory; kNoValue makes scratch values.
Selected emit_top_k(LowerContext& c, ValueId x, size_t axis, int64_t k, uint32_t flags, Selected to) {
  core::Shape shape = c.static_shape(x);
  const auto [outer, size, inner] = split_at_axis(shape, axis);
  shape[axis] = k;
  if (to.values == graph::kNoValue) to.values = c.temp(c.value(x).dtype, shape);
  if (to.places == graph::kNoValue) to.places = c.temp(DType::kI64, shape);
  const abi::TopKParams p{narrow(outer), narrow(size), narrow(inner), narrow(k), flags};
  c.emit("top_k", {c.value(x).dtype, {}}, p, {c.read(x), c.write(to.values), c.write(to.places)},
         {narrow(outer * inner * k), 1, 1});
  return to;
}

// ---- TopK ----
void infer_top_k(InferContext& c) {
  SymShape to = c.shape(0);
  const size_t axis = c.axis(c.attributes().integer("axis", -1), to.size());
  const auto k = c.need_constants(1);
  if (k.size() != 1 || k[0] < 0) c.fail("k must be one number that is not negative");
  if (!(to[axis] - Dim(k[0])).provably_nonnegative())
    c.fail("k is " + std::to_string(k[0]) + " for an axis of size " + to[axis].text());
  to[axis] = Dim(k[0]);
  c.set(0, c.dtype(0), to);
  c.set(1, DType::kI64, std::move(to));
}

void lower_top_k(LowerContext& c) {
  const size_t axis = normal_axis(c.attributes().integer("axis", -1), c.shape(0).size());
  const uint32_t flags = c.attributes().integer("largest", 1) != 0 ? abi::kTopKLargest : 0;
  emit_top_k(c, c.in(0), axis, c.constants(1)[0], flags, {c.out(0), c.out(1)});
}

// ---- ArgMax, ArgMin, Hardmax ----
void infer_arg(InferContext& c) {
  SymShape to = c.shape(0);
  const size_t axis = c.axis(c.attributes().integer("axis", 0), to.size());
  if (to[axis] == Dim(0)) c.fail("the axis has no elements");
  to[axis] = Dim(1);
  if (c.attributes().integer("keepdims", 1) == 0) to.erase(to.begin() + int64_t(axis));
  c.set(0, DType::kI64, std::move(to));
}

void lower_arg(LowerContext& c) {
  const size_t axis = normal_axis(c.attributes().integer("axis", 0), c.shape(0).size());
  uint32_t flags = c.node().op == "ArgMax" ? abi::kTopKLargest : 0;
  if (c.attributes().integer("select_last_index", 0) != 0) flags |= abi::kTopKLast;
  emit_top_k(c, c.in(0), axis, 1, flags, {graph::kNoValue, c.out(0)});
}

void infer_hardmax(InferContext& c) {
  c.axis(c.attributes().integer("axis", -1), c.rank(0));
  c.set(0, c.dtype(0), c.shape(0));
}

// One where the first of the largest lies, else zero.
void lower_hardmax(LowerContext& c) {
  Compose make(c);
  core::Shape shape = c.shape(0);
  if (core::element_count(shape) == 0) return;  // an empty axis has no largest element
  size_t axis = normal_axis(c.attributes().integer("axis", -1), shape.size());
  ValueId x = c.in(0);
  if (c.attributes().integer("flatten", 0) != 0) {
    const auto [outer, size, inner] = split_at_axis(shape, axis);
    shape = {outer, size * inner};
    x = make.view(x, shape);
    axis = 1;
  }
  const ValueId places =
      emit_top_k(c, x, axis, 1, abi::kTopKLargest, {graph::kNoValue, graph::kNoValue}).places;
  core::Shape along(shape.size() - axis, 1);
  along[0] = shape[axis];
  const ValueId steps = make.view(make.iota(DType::kI64, shape[axis]), along);
  const ValueId largest = make.compare("Equal", places, steps);
  c.alias(c.out(0), make.cast(largest, c.dtype(0)));
}

// ---- CumSum, CumProd ----
uint32_t cumulative_flags(const Node& node) {
  return (node.attributes.integer("exclusive", 0) != 0 ? abi::kCumulativeExclusive : 0) |
         (node.attributes.integer("reverse", 0) != 0 ? abi::kCumulativeReverse : 0) |
         (node.op == "CumProd" ? abi::kCumulativeProduct : 0);
}

size_t cumulative_axis(InferContext& c) {
  const auto axis = c.need_constants(1);
  if (axis.size() != 1) c.fail("axis must be one number");
  return c.axis(axis[0], c.rank(0));
}

void infer_cumulative(InferContext& c) {
  const size_t axis = cumulative_axis(c);
  const uint32_t flags = cumulative_flags(c.node());
  Fact fact;
  // Running totals of equal integers are affine in their place.
  const auto splat = core::dtype_is_integer(c.dtype(0)) ? c.splat(0) : std::nullopt;
  if (splat && (flags == 0 || flags == abi::kCumulativeExclusive)) {
    fact.affine = graph::AffineIndex{Dim(flags == 0 ? int64_t(*splat) : 0), {}};
    fact.affine->coefficients.resize(c.rank(0), 0);
    fact.affine->coefficients[axis] = int64_t(*splat);
  }
  c.set(0, c.dtype(0), c.shape(0), std::move(fact));
}

void lower_cumulative(LowerContext& c) {
  InferContext rule(c.graph(), c.node());
  const auto [outer, size, inner] = split_at_axis(c.shape(0), cumulative_axis(rule));
  const abi::CumulativeParams p{narrow(outer), narrow(size), narrow(inner), cumulative_flags(c.node())};
  c.emit("cumulative", {c.dtype(0), {}}, p, {c.read(c.in(0)), c.write(c.out(0))},
         {narrow(outer * size * inner), 1, 1});
}

}  // namespace

void register_selection(OpRegistry& registry) {
  registry.add({"TopK", "", infer_top_k, lower_top_k});
  registry.add({"ArgMax", "", infer_arg, lower_arg});
  registry.add({"ArgMin", "", infer_arg, lower_arg});
  registry.add({"Hardmax", "", infer_hardmax, lower_hardmax});
  registry.add({"CumSum", "", infer_cumulative, lower_cumulative});
  registry.add({"CumProd", "", infer_cumulative, lower_cumulative});
}

}  // namespace vulcap::ops
