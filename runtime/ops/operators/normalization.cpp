// LayerNormalization-17, Softmax-13, LogSoftmax-13.
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

void infer_same(InferContext& c) { c.set(0, c.dtype(0), c.shape(0)); }

void infer_layer_norm(InferContext& c) {
  if (c.outputs() > 1 && (c.node().outputs[1] != graph::kNoValue)) {
    c.fail("the mean and deviation outputs are not supported");
  }
  const SymShape& shape = c.shape(0);
  const size_t axis = c.axis(c.attributes().integer("axis", -1), shape.size());
  const Dim columns = core::product(shape, axis);
  for (size_t i = 1; i < c.inputs(); ++i) {
    if (!c.has(i)) continue;
    c.same_dtype(0, i);
    if (!(core::product(c.shape(i)) == columns)) {
      c.fail("scale or bias " + core::shape_text(c.shape(i)) + " does not fit " + core::shape_text(shape));
    }
  }
  infer_same(c);
}

void infer_softmax(InferContext& c) {
  if (c.rank(0) > 0) c.axis(c.attributes().integer("axis", -1), c.rank(0));
  infer_same(c);
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

size_t axis_of(LowerContext& c, size_t rank) {
  const int64_t axis = c.attributes().integer("axis", -1);
  return size_t(axis < 0 ? axis + int64_t(rank) : axis);
}

void lower_layer_norm(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const auto [rows, columns] = split_at(shape, axis_of(c, shape.size()));
  abi::LayerNormParams p{rows, columns, c.has(2) ? abi::kNormBias : 0, c.attributes().real("epsilon", 1e-5f)};
  c.emit("layer_norm", {c.dtype(0), {}}, p,
         {c.read(c.in(0)), c.read(c.in(0)), c.read(c.in(1)), c.read(c.has(2) ? c.in(2) : c.in(1)),
          c.write(c.out(0)), c.write(c.out(0))},
         {rows, 1, 1});
}

// The axis is brought last by a copy when it is not.
void lower_softmax(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const size_t axis = shape.empty() ? 0 : axis_of(c, shape.size());
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
  registry.add({"Softmax", "", infer_softmax, lower_softmax});
  registry.add({"LogSoftmax", "", infer_softmax, lower_softmax});
}

}  // namespace vulcap::ops
