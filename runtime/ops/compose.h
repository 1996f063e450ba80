// Kernel calls on scratch values, for operators that are made of several kernels. Operands are values whose
// shapes are known; each function returns its result, which is `to` when that is given and else a new scratch
// value.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/ops/op_registry.h"

namespace vulcap::ops {

class Compose {
 public:
  explicit Compose(LowerContext& context) : c_(context) {}

  core::Shape shape(ValueId x) const { return c_.static_shape(x); }
  DType dtype(ValueId x) const { return c_.value(x).dtype; }

  ValueId constant(core::Tensor tensor);
  // The same bytes under another shape.
  ValueId view(ValueId x, core::Shape shape);
  // start, start + step, ...
  ValueId iota(DType dtype, int64_t n, int64_t start = 0, int64_t step = 1);
  // Every element is `value`.
  ValueId fill(DType dtype, core::Shape shape, double value, ValueId to = graph::kNoValue);
  // Rows of shaders/elementwise.def, with broadcasting.
  ValueId unary(std::string_view row, ValueId x, ValueId to = graph::kNoValue, float alpha = 0,
                float beta = 0);
  ValueId binary(std::string_view row, ValueId a, ValueId b, ValueId to = graph::kNoValue);
  ValueId compare(std::string_view row, ValueId a, ValueId b, ValueId to = graph::kNoValue);
  ValueId logic(std::string_view row, ValueId a, ValueId b, ValueId to = graph::kNoValue);
  ValueId where(ValueId condition, ValueId a, ValueId b, ValueId to = graph::kNoValue);
  // `flags` are abi::kCast*.
  ValueId cast(ValueId x, DType dtype, ValueId to = graph::kNoValue, uint32_t flags = 0);
  ValueId copy(ValueId x, ValueId to = graph::kNoValue);
  ValueId expand(ValueId x, const core::Shape& shape, ValueId to = graph::kNoValue);
  ValueId permute(ValueId x, const std::vector<size_t>& perm, ValueId to = graph::kNoValue);
  // One of abi::kReduce* over the axes [begin, end), which vanish.
  ValueId reduce(uint32_t op, ValueId x, size_t begin, size_t end, ValueId to = graph::kNoValue);
  // [batch, m, k] x [batch, k, n].
  ValueId matmul(ValueId a, ValueId b, ValueId to = graph::kNoValue);
  // x with the elements along `axis` picked by integer indices [count].
  ValueId gather(ValueId x, ValueId indices, size_t axis, ValueId to = graph::kNoValue);

 private:
  ValueId target(ValueId to, DType dtype, core::Shape shape);
  ValueId pair(std::string_view kernel, uint32_t row, ValueId a, ValueId b, DType dtype, ValueId to);

  LowerContext& c_;
};

// The axis attribute or operand `value` of a tensor of `rank`, in [0, rank).
inline size_t normal_axis(int64_t value, size_t rank) {
  return size_t(value < 0 ? value + int64_t(rank) : value);
}

// Products of the dims before, at and behind `axis`.
struct AxisSplit {
  int64_t outer = 1;
  int64_t size = 1;
  int64_t inner = 1;
};
AxisSplit split_at_axis(const core::Shape& shape, size_t axis);

}  // namespace vulcap::ops
