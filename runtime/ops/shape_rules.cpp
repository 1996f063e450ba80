#include "runtime/ops/shape_rules.h"

#include <algorithm>
#include <cstring>

namespace vulcap::ops {
namespace {

[[noreturn]] void fail(const std::string& message) {
  throw core::Error(core::ErrorCode::kInvalidModel, message);
}

Dim broadcast_dim(const Dim& a, const Dim& b, const SymShape& left, const SymShape& right) {
  if (a == b || b == Dim(1)) return a;
  if (a == Dim(1)) return b;
  fail("shapes " + core::shape_text(left) + " and " + core::shape_text(right) + " cannot be broadcast");
}

// Axes of size other than 1, in order.
std::vector<size_t> wide_axes(const SymShape& shape) {
  std::vector<size_t> axes;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!(shape[i] == Dim(1))) axes.push_back(i);
  }
  return axes;
}

std::optional<graph::AffineIndex> moved(const std::optional<graph::AffineIndex>& form, const SymShape& from,
                                        const SymShape& to) {
  if (!form) return std::nullopt;
  const auto old_axes = wide_axes(from);
  const auto new_axes = wide_axes(to);
  if (old_axes.size() != new_axes.size()) return std::nullopt;
  graph::AffineIndex result{form->base, std::vector<int64_t>(to.size(), 0)};
  for (size_t i = 0; i < old_axes.size(); ++i) {
    if (!(from[old_axes[i]] == to[new_axes[i]])) return std::nullopt;
    result.coefficients[new_axes[i]] = form->coefficients[old_axes[i]];
  }
  return result;
}

}  // namespace

SymShape broadcast(const SymShape& a, const SymShape& b) {
  const size_t rank = std::max(a.size(), b.size());
  SymShape result(rank);
  for (size_t i = 0; i < rank; ++i) {
    const Dim left = i + a.size() < rank ? Dim(1) : a[i + a.size() - rank];
    const Dim right = i + b.size() < rank ? Dim(1) : b[i + b.size() - rank];
    result[i] = broadcast_dim(left, right, a, b);
  }
  return result;
}

std::vector<int64_t> row_major_strides(const core::Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::vector<int64_t> broadcast_strides(const core::Shape& from, const core::Shape& to) {
  const auto own = row_major_strides(from);
  std::vector<int64_t> strides(to.size(), 0);
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] != 1) strides[to.size() - from.size() + i] = own[i];
  }
  return strides;
}

core::Tensor integers_tensor(DType dtype, const core::Shape& shape, const std::vector<Dim>& ints) {
  core::Tensor tensor(dtype, shape);
  auto bytes = tensor.mutable_bytes();
  const size_t width = core::dtype_bits(dtype) / 8;
  for (size_t i = 0; i < ints.size(); ++i) {
    const int64_t value = ints[i].value();
    std::memcpy(bytes.data() + i * width, &value, width);  // little-endian: the low bytes come first
  }
  return tensor;
}

uint32_t narrow(int64_t value) {
  if (value < 0 || value > int64_t(UINT32_MAX)) {
    fail("a tensor of " + std::to_string(value) + " elements is too large for a kernel");
  }
  return uint32_t(value);
}

template <size_t Operands>
Iteration<Operands> collapse(const core::Shape& shape, std::array<std::vector<int64_t>, Operands> strides) {
  struct Axis {
    int64_t size;
    std::array<int64_t, Operands> stride;
  };
  std::vector<Axis> axes;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    Axis axis{shape[i], {}};
    for (size_t k = 0; k < Operands; ++k) axis.stride[k] = strides[k][i];
    const bool merges = !axes.empty() && [&] {
      for (size_t k = 0; k < Operands; ++k) {
        if (axes.back().stride[k] != axis.stride[k] * axis.size) return false;
      }
      return true;
    }();
    if (merges) {
      axes.back() = {axes.back().size * axis.size, axis.stride};
    } else {
      axes.push_back(axis);
    }
  }
  if (axes.size() > 6) fail("a tensor " + core::shape_text(shape) + " needs more than 6 axes");
  Iteration<Operands> result;
  result.n = narrow(int64_t(core::element_count(shape)));
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t at = 6 - axes.size() + i;
    result.shape[at] = narrow(axes[i].size);
    for (size_t k = 0; k < Operands; ++k) result.strides[k][at] = int32_t(axes[i].stride[k]);
  }
  return result;
}

template Iteration<2> collapse<2>(const core::Shape&, std::array<std::vector<int64_t>, 2>);
template Iteration<3> collapse<3>(const core::Shape&, std::array<std::vector<int64_t>, 3>);

graph::AffineIndex broadcastable(graph::AffineIndex form, const SymShape& shape) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == Dim(1)) form.coefficients[i] = 0;
  }
  return form;
}

std::optional<graph::AffineIndex> affine_operand(const InferContext& context, size_t input, size_t rank) {
  const Value& value = context.in(input);
  graph::AffineIndex result{Dim(0), std::vector<int64_t>(rank, 0)};
  if (value.fact.affine) {
    const graph::AffineIndex form = broadcastable(*value.fact.affine, context.shape(input));
    result.base = form.base;
    std::copy(form.coefficients.begin(), form.coefficients.end(),
              result.coefficients.end() - int64_t(form.coefficients.size()));
    return result;
  }
  const auto ints = context.ints(input);
  if (!ints || ints->size() != 1) return std::nullopt;
  result.base = ints->front();
  return result;
}

graph::AffineIndex affine_difference(const graph::AffineIndex& a, const graph::AffineIndex& b, int64_t plus) {
  graph::AffineIndex result{a.base - b.base + Dim(plus), a.coefficients};
  for (size_t i = 0; i < result.coefficients.size(); ++i) result.coefficients[i] -= b.coefficients[i];
  return result;
}

std::optional<bool> decide_at_most_zero(const graph::AffineIndex& form, const SymShape& shape) {
  Dim least = form.base;
  Dim most = form.base;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dim reach = (shape[i] - Dim(1)) * Dim(form.coefficients[i]);
    if (form.coefficients[i] > 0) most = most + reach;
    if (form.coefficients[i] < 0) least = least + reach;
  }
  if ((Dim(0) - most).provably_nonnegative()) return true;
  if ((least - Dim(1)).provably_nonnegative()) return false;
  return std::nullopt;
}

Fact reshaped_fact(const InferContext& context, size_t input, const SymShape& to) {
  Fact fact;
  const Value& value = context.in(input);
  if (to.size() <= 1) fact.ints = context.ints(input);
  fact.splat = value.fact.splat;
  fact.affine = moved(value.fact.affine, context.shape(input), to);
  fact.at_most_zero = moved(value.fact.at_most_zero, context.shape(input), to);
  return fact;
}

}  // namespace vulcap::ops
