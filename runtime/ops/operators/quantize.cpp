// QuantizeLinear-25, DequantizeLinear-25 (per tensor, per axis and blocked) and DynamicQuantizeLinear-11.
#include <algorithm>

#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// How the scale lies over x: one, one an index of the axis, or one a block of the axis.
enum class Granularity { kTensor, kAxis, kBlock };

Granularity granularity(InferContext& c) {
  const SymShape& x = c.shape(0);
  const SymShape& scale = c.shape(1);
  const int64_t block = c.attributes().integer("block_size", 0);
  if (c.has(2) && !(c.shape(2) == scale)) {
    const bool both_single = core::product(c.shape(2)) == Dim(1) && core::product(scale) == Dim(1);
    if (!both_single)
      c.fail("the zero point has shape " + core::shape_text(c.shape(2)) + " but the scale " +
             core::shape_text(scale));
  }
  if (block == 0 && scale.size() <= 1 && core::product(scale) == Dim(1)) return Granularity::kTensor;
  const size_t axis = c.axis(c.attributes().integer("axis", 1), x.size());
  if (block == 0) {
    if (scale.size() != 1 || !(scale[0] == x[axis]))
      c.fail("scale " + core::shape_text(scale) + " does not fit axis " + std::to_string(axis) + " of " +
             core::shape_text(x));
    return Granularity::kAxis;
  }
  if (block < 0 || scale.size() != x.size()) c.fail("a blocked scale must have the rank of the input");
  for (size_t i = 0; i < x.size(); ++i) {
    const bool fits = i == axis ? x[i].is_constant() && scale[i].is_constant() &&
                                      scale[i].value() == (x[i].value() + block - 1) / block
                                : scale[i] == x[i];
    if (!fits)
      c.fail("scale " + core::shape_text(scale) + " does not fit blocks of " + std::to_string(block) +
             " in " + core::shape_text(x));
  }
  return Granularity::kBlock;
}

void infer_quantize(InferContext& c) {
  granularity(c);
  const DType asked = DType(c.attributes().integer("output_dtype", 0));
  if (c.has(2) && asked != DType::kUndefined && asked != c.dtype(2))
    c.fail("output_dtype differs from the zero point's type");
  c.set(0, c.has(2) ? c.dtype(2) : asked != DType::kUndefined ? asked : DType::kU8, c.shape(0));
}

void infer_dequantize(InferContext& c) {
  granularity(c);
  if (c.has(2)) c.same_dtype(0, 2);
  const DType asked = DType(c.attributes().integer("output_dtype", 0));
  c.set(0, asked != DType::kUndefined ? asked : c.dtype(1), c.shape(0));
}

abi::QuantizeParams params(const LowerContext& c) {
  const core::Shape x = c.shape(0), scale = c.shape(1);
  abi::QuantizeParams p{};
  p.n = p.inner = narrow(int64_t(core::element_count(x)));
  p.axis = p.block = 1;
  p.flags = (c.has(2) ? abi::kQuantizeZero : 0) |
            (c.attributes().integer("saturate", 1) == 0 ? abi::kQuantizeKeepRange : 0);
  p.scale_type = uint32_t(c.dtype(1));
  const int64_t block = c.attributes().integer("block_size", 0);
  if (block == 0 && core::element_count(scale) == 1 && scale.size() <= 1) return p;
  const int64_t axis_attribute = c.attributes().integer("axis", 1);
  const size_t axis = size_t(axis_attribute < 0 ? axis_attribute + int64_t(x.size()) : axis_attribute);
  p.axis = narrow(x[axis]);
  p.inner = narrow(int64_t(core::element_count({x.begin() + int64_t(axis) + 1, x.end()})));
  p.axis_stride = 1;
  if (block == 0) return p;
  p.block = narrow(block);
  p.axis_stride = p.inner;
  p.inner_stride = 1;
  p.outer_stride = narrow(scale[axis]) * p.inner;
  return p;
}

void lower_quantisation(LowerContext& c) {
  const abi::QuantizeParams p = params(c);
  c.emit(c.node().op == "QuantizeLinear" ? "quantize" : "dequantize", {c.dtype(0), c.value(c.out(0)).dtype},
         p, {c.read(c.in(0)), c.read(c.in(1)), c.read(c.has(2) ? c.in(2) : c.in(1)), c.write(c.out(0))},
         {p.n, 1, 1});
}

void infer_dynamic(InferContext& c) {
  if (c.dtype(0) != DType::kF32) c.fail("the input must be float");
  c.set(0, DType::kU8, c.shape(0));
  c.set(1, DType::kF32, {});
  c.set(2, DType::kU8, {});
}

ValueId row_ends(LowerContext& c, uint32_t op, uint32_t rows, uint32_t cols) {
  const ValueId result = c.temp(DType::kF32, {int64_t(rows)});
  c.emit("reduce", {DType::kF32, {}}, abi::ReduceParams{rows, cols, 1, op},
         {c.read(c.in(0)), c.write(result)}, {rows, 1, 1});
  return result;
}

void lower_dynamic(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const uint32_t n = narrow(int64_t(core::element_count(shape)));
  const uint32_t cols = n == 0 || shape.empty() ? 1 : narrow(shape.back()), rows = n / cols;
  const ValueId low = row_ends(c, abi::kReduceMin, rows, cols);
  const ValueId high = row_ends(c, abi::kReduceMax, rows, cols);
  const ValueId scale = c.out(1) != graph::kNoValue ? c.out(1) : c.temp(DType::kF32, {});
  const ValueId zero = c.out(2) != graph::kNoValue ? c.out(2) : c.temp(DType::kU8, {});
  c.emit("quantize_range", {DType::kF32, DType::kU8}, abi::QuantizeRangeParams{rows},
         {c.read(low), c.read(high), c.write(scale), c.write(zero)}, {1, 1, 1});
  abi::QuantizeParams p{};
  p.n = p.inner = n;
  p.axis = p.block = 1;
  p.flags = abi::kQuantizeZero;
  p.scale_type = uint32_t(DType::kF32);
  c.emit("quantize", {DType::kF32, DType::kU8}, p,
         {c.read(c.in(0)), c.read(scale), c.read(zero), c.write(c.out(0))}, {n, 1, 1});
}

}  // namespace

void register_quantize(OpRegistry& registry) {
  for (const char* domain : {"", "com.microsoft"}) {
    registry.add({"QuantizeLinear", domain, infer_quantize, lower_quantisation});
    registry.add({"DequantizeLinear", domain, infer_dequantize, lower_quantisation});
  }
  registry.add({"DynamicQuantizeLinear", "", infer_dynamic, lower_dynamic});
}

}  // namespace vulcap::ops
