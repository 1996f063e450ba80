// Patterns over places: Trilu-14, OneHot-11, EyeLike-22; and blocks of pixels to channels and back:
// DepthToSpace-13, SpaceToDepth-13.
#include <algorithm>

#include "runtime/ops/compose.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// ---- Trilu: element (row, column) stays where column - row <= k (lower) or >= k (upper) ----
int64_t trilu_diagonal(InferContext& c) {
  if (!c.has(1)) return 0;
  const auto k = c.need_constants(1);
  if (k.size() != 1) c.fail("k must be one number");
  return k[0];
}

void infer_trilu(InferContext& c) {
  const SymShape& shape = c.shape(0);
  if (shape.size() < 2) c.fail("the operand must have at least two axes");
  const int64_t k = trilu_diagonal(c);
  const bool upper = c.attributes().integer("upper", 1) != 0;
  Fact fact;
  const auto splat = c.splat(0);
  if (splat && *splat == 0) fact.splat = 0;
  if (splat && *splat == 1 && c.dtype(0) == DType::kBool) {
    fact.at_most_zero = graph::AffineIndex{Dim(upper ? k : -k), std::vector<int64_t>(shape.size(), 0)};
    fact.at_most_zero->coefficients[shape.size() - 1] = upper ? -1 : 1;
    fact.at_most_zero->coefficients[shape.size() - 2] = upper ? 1 : -1;
  }
  c.set(0, c.dtype(0), shape, std::move(fact));
}

void lower_trilu(LowerContext& c) {
  Compose make(c);
  InferContext rule(c.graph(), c.node());
  const core::Shape shape = c.shape(0);
  const int64_t rows = shape[shape.size() - 2], columns = shape.back();
  // No diagonal beyond the corners keeps anything else.
  const int64_t k = std::clamp(trilu_diagonal(rule), -rows - 1, columns + 1);
  const ValueId diagonal = make.view(make.iota(DType::kI32, rows, k), {rows, 1});
  const ValueId column = make.iota(DType::kI32, columns);
  const bool upper = c.attributes().integer("upper", 1) != 0;
  const ValueId keep = make.compare(upper ? "GreaterOrEqual" : "LessOrEqual", column, diagonal);
  make.where(keep, c.in(0), make.fill(c.dtype(0), {1}, 0), c.out(0));
}

// ---- OneHot ----
int64_t one_hot_depth(InferContext& c) {
  const core::Tensor depth = c.need_tensor(1);
  if (depth.size() != 1) c.fail("depth must be one number");
  const int64_t value = depth.at_i64(0);
  if (value <= 0) c.fail("depth must be positive, not " + std::to_string(value));
  return value;
}

void infer_one_hot(InferContext& c) {
  SymShape to = c.shape(0);
  if (c.rank(2) != 1 || !(c.shape(2)[0] == Dim(2))) c.fail("values must hold the off and the on value");
  const size_t axis = c.axis(c.attributes().integer("axis", -1), to.size() + 1);
  to.insert(to.begin() + int64_t(axis), Dim(one_hot_depth(c)));
  c.set(0, c.dtype(2), std::move(to));
}

// An index counts from the end when negative; one outside [-depth, depth) is off everywhere.
void lower_one_hot(LowerContext& c) {
  Compose make(c);
  core::Shape shape = c.static_shape(c.out(0));
  const size_t axis = normal_axis(c.attributes().integer("axis", -1), shape.size());
  const int64_t depth = shape[axis];
  core::Shape along(shape.size() - axis, 1);
  along[0] = depth;
  shape[axis] = 1;
  const ValueId index = make.view(make.cast(c.in(0), DType::kI64), shape);
  const ValueId up = make.view(make.iota(DType::kI64, depth), along);
  const ValueId down = make.view(make.iota(DType::kI64, depth, -depth), along);
  const ValueId on = make.logic("Or", make.compare("Equal", index, up), make.compare("Equal", index, down));
  const ValueId off_value = c.temp(c.dtype(2), {1}), on_value = c.temp(c.dtype(2), {1});
  emit_copy(c, c.in(2), off_value, {{1}, {1}, {1}});
  StridedCopy second{{1}, {1}, {1}};
  second.in_offset = 1;
  emit_copy(c, c.in(2), on_value, second);
  make.where(on, on_value, off_value, c.out(0));
}

// ---- EyeLike ----
void infer_eye_like(InferContext& c) {
  if (c.rank(0) != 2) c.fail("the operand must be a matrix");
  c.set(0, DType(c.attributes().integer("dtype", int64_t(c.dtype(0)))), c.shape(0));
}

void lower_eye_like(LowerContext& c) {
  Compose make(c);
  const core::Shape shape = c.shape(0);
  const int64_t k = std::clamp(c.attributes().integer("k", 0), -shape[0] - 1, shape[1] + 1);
  const ValueId diagonal = make.view(make.iota(DType::kI32, shape[0], k), {shape[0], 1});
  const ValueId eye = make.compare("Equal", diagonal, make.iota(DType::kI32, shape[1]));
  c.alias(c.out(0), make.cast(eye, c.value(c.out(0)).dtype));
}

// ---- DepthToSpace, SpaceToDepth ----
int64_t block_size(InferContext& c) {
  const int64_t block = c.attributes().integer("blocksize", 0);
  if (block <= 0) c.fail("blocksize must be positive");
  if (c.rank(0) != 4) c.fail("the operand must be [batch, channels, height, width]");
  return block;
}

Dim divided(InferContext& c, const Dim& size, int64_t by) {
  const auto result = size.divide(Dim(by));
  if (!result) c.fail("a dim of size " + size.text() + " does not divide by " + std::to_string(by));
  return *result;
}

void infer_depth_to_space(InferContext& c) {
  const int64_t block = block_size(c);
  const std::string mode = c.attributes().text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") c.fail("mode '" + mode + "' is not known");
  const SymShape& x = c.shape(0);
  c.set(0, c.dtype(0), {x[0], divided(c, x[1], block * block), x[2] * Dim(block), x[3] * Dim(block)});
}

void lower_depth_to_space(LowerContext& c) {
  Compose make(c);
  const core::Shape x = c.shape(0);
  const int64_t block = c.attributes().integer("blocksize", 0), channels = x[1] / block / block;
  if (c.attributes().text("mode", "DCR") == "DCR") {
    make.permute(make.view(c.in(0), {x[0], block, block, channels, x[2], x[3]}), {0, 3, 4, 1, 5, 2},
                 c.out(0));
  } else {
    make.permute(make.view(c.in(0), {x[0], channels, block, block, x[2], x[3]}), {0, 1, 4, 2, 5, 3},
                 c.out(0));
  }
}

void infer_space_to_depth(InferContext& c) {
  const int64_t block = block_size(c);
  const SymShape& x = c.shape(0);
  c.set(0, c.dtype(0), {x[0], x[1] * Dim(block * block), divided(c, x[2], block), divided(c, x[3], block)});
}

void lower_space_to_depth(LowerContext& c) {
  Compose make(c);
  const core::Shape x = c.shape(0);
  const int64_t block = c.attributes().integer("blocksize", 0);
  make.permute(make.view(c.in(0), {x[0], x[1], x[2] / block, block, x[3] / block, block}), {0, 3, 5, 1, 2, 4},
               c.out(0));
}

}  // namespace

void register_pattern(OpRegistry& registry) {
  registry.add({"Trilu", "", infer_trilu, lower_trilu});
  registry.add({"OneHot", "", infer_one_hot, lower_one_hot});
  registry.add({"EyeLike", "", infer_eye_like, lower_eye_like});
  registry.add({"DepthToSpace", "", infer_depth_to_space, lower_depth_to_space});
  registry.add({"SpaceToDepth", "", infer_space_to_depth, lower_space_to_depth});
}

}  // namespace vulcap::ops
