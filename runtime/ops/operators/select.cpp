// Where and Clip.
#include <algorithm>
#include <limits>

#include "runtime/ops/compose.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// Whether `lower` <= the affine integers of operand 0 everywhere.
bool is_at_least(InferContext& c, const Dim& lower) {
  const graph::AffineIndex& form = *c.in(0).fact.affine;
  graph::AffineIndex below{lower - form.base, form.coefficients};
  for (int64_t& coefficient : below.coefficients) coefficient = -coefficient;
  return decide_at_most_zero(below, c.shape(0)).value_or(false);
}

void infer_clip(InferContext& c) {
  for (size_t i = 1; i < c.inputs(); ++i) {
    if (!c.has(i)) continue;
    c.same_dtype(0, i);
    if (!(core::product(c.shape(i)) == Dim(1))) c.fail("a bound must be one number");
  }
  Fact fact;
  const auto lower = c.has(1) ? c.ints(1) : std::nullopt;
  if (c.in(0).fact.affine && !c.has(2) && lower && is_at_least(c, lower->at(0)))
    fact.affine = c.in(0).fact.affine;
  c.set(0, c.dtype(0), c.shape(0), std::move(fact));
}

// Whether the parameters of a unary kernel hold the bounds: constants of a floating dtype no wider than they
// are.
bool bounds_are_parameters(LowerContext& c) {
  const DType dtype = c.dtype(0);
  const auto constant = [&](size_t i) { return !c.has(i) || c.value(c.in(i)).constant.has_value(); };
  return core::dtype_is_float(dtype) && core::dtype_bits(dtype) <= 32 && constant(1) && constant(2);
}

// Other bounds are operands of Max and Min; when they cross, the upper one wins.
void lower_clip(LowerContext& c) {
  Compose m(c);
  if (bounds_are_parameters(c)) {
    const auto bound = [&](size_t i, float fallback) {
      return c.has(i) ? float(c.value(c.in(i)).constant->at_f64(0)) : fallback;
    };
    const float infinity = std::numeric_limits<float>::infinity();
    m.unary("Clip", c.in(0), c.out(0), bound(1, -infinity), bound(2, infinity));
    return;
  }
  if (!c.has(1) && !c.has(2)) return c.alias(c.out(0), c.in(0));
  ValueId value = c.in(0);
  // A bound of shape [1,1] adds no axes.
  const auto scalar = [&](size_t i) { return m.view(c.in(i), {}); };
  if (c.has(1)) value = m.binary("Max", value, scalar(1), c.has(2) ? graph::kNoValue : c.out(0));
  if (c.has(2)) m.binary("Min", value, scalar(2), c.out(0));
}

void infer_where(InferContext& c) {
  if (c.dtype(0) != DType::kBool) c.fail("the condition must be bool");
  c.same_dtype(1, 2);
  SymShape shape = broadcast(c.shape(0), broadcast(c.shape(1), c.shape(2)));
  Fact fact;
  if (const auto condition = c.splat(0)) fact.splat = c.splat(*condition != 0 ? 1 : 2);
  const auto condition = c.ints(0);
  const auto a = c.ints(1);
  const auto b = c.ints(2);
  if (shape.size() <= 1 && condition && a && b &&
      shape == SymShape(shape.size(), Dim(int64_t(condition->size())))) {
    std::vector<Dim> ints;
    for (size_t i = 0; i < condition->size(); ++i) {
      const auto& from = (*condition)[i] == Dim(0) ? *b : *a;
      ints.push_back(from[from.size() == 1 ? 0 : i]);
    }
    fact.ints = std::move(ints);
  }
  c.set(0, c.dtype(1), std::move(shape), std::move(fact));
}

void lower_where(LowerContext& c) { Compose(c).where(c.in(0), c.in(1), c.in(2), c.out(0)); }

}  // namespace

void register_select(OpRegistry& registry) {
  registry.add({"Clip", "", infer_clip, lower_clip});
  registry.add({"Where", "", infer_where, lower_where});
}

}  // namespace vulcap::ops
