#include "runtime/ops/compose.h"

#include <algorithm>
#include <cstring>

#include "runtime/ops/kernels/element.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

struct Row {
  std::string_view name;
  uint32_t index;
};

constexpr Row kRows[] = {
#define VULCAP_UNARY(index, name, expression) {#name, index},
#define VULCAP_BINARY(index, name, real, integer) {#name, index},
#define VULCAP_COMPARE(index, name, expression) {#name, index},
#define VULCAP_LOGIC(index, name, expression) {#name, index},
#include "shaders/elementwise.def"
#undef VULCAP_UNARY
#undef VULCAP_BINARY
#undef VULCAP_COMPARE
#undef VULCAP_LOGIC
};

uint32_t row_index(std::string_view name) {
  const auto* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.name == name; });
  if (row == std::end(kRows))
    throw core::Error(core::ErrorCode::kInvalidModel, "no element-wise row " + std::string(name));
  return row->index;
}

core::Shape broadcast_shape(const core::Shape& a, const core::Shape& b) {
  core::Shape result;
  for (const Dim& dim : broadcast(SymShape(a.begin(), a.end()), SymShape(b.begin(), b.end())))
    result.push_back(dim.value());
  return result;
}

uint32_t count(const core::Shape& shape) { return narrow(int64_t(core::element_count(shape))); }

}  // namespace

AxisSplit split_at_axis(const core::Shape& shape, size_t axis) {
  AxisSplit split;
  for (size_t i = 0; i < shape.size(); ++i)
    (i < axis ? split.outer : i == axis ? split.size : split.inner) *= shape[i];
  return split;
}

ValueId Compose::target(ValueId to, DType dtype, core::Shape shape) {
  return to == graph::kNoValue ? c_.temp(dtype, std::move(shape)) : to;
}

ValueId Compose::constant(core::Tensor tensor) {
  return c_.graph().add_constant(c_.node().name + "#" + std::to_string(c_.graph().values.size()),
                                 std::move(tensor));
}

ValueId Compose::view(ValueId x, core::Shape shape) {
  if (c_.value(x).constant) return constant(c_.value(x).constant->reshaped(std::move(shape)));
  const ValueId result = c_.temp(dtype(x), std::move(shape));
  c_.alias(result, x);
  return result;
}

ValueId Compose::iota(DType dtype, int64_t n, int64_t start, int64_t step) {
  const ValueId result = c_.temp(dtype, {n});
  const abi::IotaParams p{narrow(n), int32_t(start), 0, int32_t(step)};
  c_.emit("iota", {dtype, {}}, p, {c_.write(result)}, {p.n, 1, 1});
  return result;
}

ValueId Compose::fill(DType dtype, core::Shape shape, double value, ValueId to) {
  const uint32_t n = count(shape);
  to = target(to, dtype, std::move(shape));
  uint64_t bits = 0;
  store_real(dtype, reinterpret_cast<std::byte*>(&bits), 0, value);
  c_.emit("fill", {dtype, {}}, abi::FillParams{n, uint32_t(bits), uint32_t(bits >> 32)}, {c_.write(to)},
          {n, 1, 1});
  return to;
}

ValueId Compose::unary(std::string_view row, ValueId x, ValueId to, float alpha, float beta) {
  const uint32_t n = count(shape(x));
  to = target(to, dtype(x), shape(x));
  c_.emit("unary", {dtype(x), {}}, abi::UnaryParams{n, row_index(row), alpha, beta},
          {c_.read(x), c_.write(to)}, {n, 1, 1});
  return to;
}

ValueId Compose::pair(std::string_view kernel, uint32_t row, ValueId a, ValueId b, DType dtype, ValueId to) {
  const core::Shape left = shape(a), right = shape(b), all = broadcast_shape(left, right);
  to = target(to, dtype, all);
  const auto space = collapse<2>(all, {broadcast_strides(left, all), broadcast_strides(right, all)});
  abi::BinaryParams p{};
  p.n = space.n;
  p.op = row;
  for (size_t i = 0; i < 6; ++i) {
    p.shape[i] = space.shape[i];
    p.a_stride[i] = uint32_t(space.strides[0][i]);
    p.b_stride[i] = uint32_t(space.strides[1][i]);
  }
  c_.emit(kernel, {c_.value(a).dtype, dtype}, p, {c_.read(a), c_.read(b), c_.write(to)}, {p.n, 1, 1});
  return to;
}

ValueId Compose::binary(std::string_view row, ValueId a, ValueId b, ValueId to) {
  return pair("binary", row_index(row), a, b, dtype(a), to);
}
ValueId Compose::compare(std::string_view row, ValueId a, ValueId b, ValueId to) {
  return pair("compare", row_index(row), a, b, DType::kBool, to);
}
ValueId Compose::logic(std::string_view row, ValueId a, ValueId b, ValueId to) {
  return pair("logic", row_index(row), a, b, DType::kBool, to);
}

ValueId Compose::where(ValueId condition, ValueId a, ValueId b, ValueId to) {
  const core::Shape all = broadcast_shape(shape(condition), broadcast_shape(shape(a), shape(b)));
  to = target(to, dtype(a), all);
  const auto space = collapse<3>(all, {broadcast_strides(shape(condition), all),
                                       broadcast_strides(shape(a), all), broadcast_strides(shape(b), all)});
  abi::WhereParams p{};
  p.n = space.n;
  for (size_t i = 0; i < 6; ++i) {
    p.shape[i] = space.shape[i];
    p.c_stride[i] = uint32_t(space.strides[0][i]);
    p.a_stride[i] = uint32_t(space.strides[1][i]);
    p.b_stride[i] = uint32_t(space.strides[2][i]);
  }
  c_.emit("where", {dtype(a), {}}, p, {c_.read(condition), c_.read(a), c_.read(b), c_.write(to)},
          {p.n, 1, 1});
  return to;
}

ValueId Compose::cast(ValueId x, DType dtype, ValueId to, uint32_t flags) {
  const DType from = c_.value(x).dtype;
  if (from == dtype) return to == graph::kNoValue ? x : copy(x, to);
  const uint32_t n = count(shape(x));
  to = target(to, dtype, shape(x));
  c_.emit("cast", {from, dtype}, abi::CastParams{n, flags}, {c_.read(x), c_.write(to)}, {n, 1, 1});
  return to;
}

ValueId Compose::copy(ValueId x, ValueId to) { return expand(x, shape(x), to); }

ValueId Compose::expand(ValueId x, const core::Shape& all, ValueId to) {
  to = target(to, dtype(x), all);
  if (core::element_count(all) > 0)
    emit_copy(c_, x, to, {all, broadcast_strides(shape(x), all), row_major_strides(all)});
  return to;
}

ValueId Compose::permute(ValueId x, const std::vector<size_t>& perm, ValueId to) {
  const core::Shape from = shape(x);
  const auto strides = row_major_strides(from);
  StridedCopy copy;
  for (const size_t axis : perm) {
    copy.shape.push_back(from[axis]);
    copy.in_strides.push_back(strides[axis]);
  }
  copy.out_strides = row_major_strides(copy.shape);
  if (to == graph::kNoValue && is_contiguous(copy.shape, copy.in_strides)) return view(x, copy.shape);
  to = target(to, dtype(x), copy.shape);
  if (core::element_count(copy.shape) > 0) emit_copy(c_, x, to, copy);
  return to;
}

ValueId Compose::reduce(uint32_t op, ValueId x, size_t begin, size_t end, ValueId to) {
  const core::Shape from = shape(x);
  abi::ReduceParams p{1, 1, 1, op};
  core::Shape kept;
  for (size_t i = 0; i < from.size(); ++i) {
    (i < begin ? p.outer : i < end ? p.reduce : p.inner) *= narrow(from[i]);
    if (i < begin || i >= end) kept.push_back(from[i]);
  }
  to = target(to, dtype(x), kept);
  c_.emit("reduce", {dtype(x), {}}, p, {c_.read(x), c_.write(to)}, {p.outer * p.inner, 1, 1});
  return to;
}

ValueId Compose::matmul(ValueId a, ValueId b, ValueId to) {
  const core::Shape left = shape(a), right = shape(b);
  abi::MatmulParams p{};
  p.batch = narrow(left[0]);
  p.m = narrow(left[1]);
  p.k = p.lda = narrow(left[2]);
  p.n = p.ldb = p.ldc = narrow(right[2]);
  p.a_batch = p.m * p.k;
  p.b_batch = p.k * p.n;
  p.c_batch = p.m * p.n;
  p.alpha = 1;
  to = target(to, dtype(a), {left[0], left[1], right[2]});
  c_.emit("matmul", {dtype(a), dtype(b)}, p, {c_.read(a), c_.read(b), c_.read(a), c_.read(a), c_.write(to)},
          {p.n, p.m, p.batch});
  return to;
}

ValueId Compose::gather(ValueId x, ValueId indices, size_t axis, ValueId to) {
  core::Shape result = shape(x);
  const auto [outer, size, inner] = split_at_axis(result, axis);
  result[axis] = int64_t(core::element_count(shape(indices)));
  to = target(to, dtype(x), result);
  const abi::GatherParams p{count(result), narrow(result[axis]), narrow(inner), narrow(size), 0,
                            narrow(size)};
  c_.emit("gather", {dtype(x), dtype(indices)}, p, {c_.read(x), c_.read(indices), c_.write(to)}, {p.n, 1, 1});
  return to;
}

}  // namespace vulcap::ops
