// Rules shared by operators: broadcasting, axis collapsing and facts about index arithmetic.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "runtime/ops/op_registry.h"
#include "shaders/abi.h"

namespace vulcap::ops {

// ONNX multidirectional (numpy) broadcasting; throws Error(kInvalidModel) when two dims differ and neither
// is 1.
SymShape broadcast(const SymShape& a, const SymShape& b);

// Row-major strides in elements.
std::vector<int64_t> row_major_strides(const core::Shape& shape);

// An iteration space of at most six axes for kernels: axes that can be walked as one are merged, the rest
// right-aligned.
template <size_t Operands>
struct Iteration {
  std::array<uint32_t, 6> shape{1, 1, 1, 1, 1, 1};
  std::array<std::array<int32_t, 6>, Operands> strides{};
  uint32_t n = 1;
};

// `strides[k]` are those of operand k over `shape`. Throws Error(kInvalidModel) when more than six axes
// remain.
template <size_t Operands>
Iteration<Operands> collapse(const core::Shape& shape, std::array<std::vector<int64_t>, Operands> strides);

// Strides of an operand of `from` read over `to` (0 where broadcast).
std::vector<int64_t> broadcast_strides(const core::Shape& from, const core::Shape& to);

// Constant dims as a tensor of integers or bools.
core::Tensor integers_tensor(DType dtype, const core::Shape& shape, const std::vector<Dim>& ints);

uint32_t narrow(int64_t value);  // throws Error(kInvalidModel) when it does not fit 32 bits

// The form without coefficients of axes of size 1, so that it stays true when those are broadcast.
graph::AffineIndex broadcastable(graph::AffineIndex form, const SymShape& shape);
// An integer operand as an affine form over `rank` right-aligned output axes.
std::optional<graph::AffineIndex> affine_operand(const InferContext& context, size_t input, size_t rank);
graph::AffineIndex affine_difference(const graph::AffineIndex& a, const graph::AffineIndex& b, int64_t plus);
// Whether `form` <= 0 everywhere (true), nowhere (false) or cannot be told, for indices inside `shape`.
std::optional<bool> decide_at_most_zero(const graph::AffineIndex& form, const SymShape& shape);

// The fact of a value that holds the same elements in the same order under another shape.
Fact reshaped_fact(const InferContext& context, size_t input, const SymShape& to);

}  // namespace vulcap::ops
