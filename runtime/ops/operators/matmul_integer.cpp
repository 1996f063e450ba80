// Products of 8-bit integers: MatMulInteger-10, and vulcap.IntegerProduct and vulcap.IntegerConv, which scale
// the sums.
#include <algorithm>

#include "runtime/ops/integer_product.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {

namespace {

enum Operand : size_t { kA, kB, kAZero, kBZero, kScale, kBias, kResidual };

void check_bytes(InferContext& c, size_t i) {
  if (c.dtype(i) != DType::kU8 && c.dtype(i) != DType::kI8) c.fail("operands must be int8 or uint8");
}

DType result_dtype(InferContext& c) { return c.has(kScale) ? DType::kF32 : DType::kI32; }

// ---- MatMulInteger, vulcap.IntegerProduct: A, B, a_zero?, b_zero?, scale?, bias?, residual?; transB, act
// ----
void infer_product(InferContext& c) {
  SymShape a = c.shape(kA), b = c.shape(kB);
  check_bytes(c, kA);
  check_bytes(c, kB);
  if (c.has(kAZero)) c.same_dtype(kA, kAZero);
  if (c.has(kBZero)) c.same_dtype(kB, kBZero);
  if (a.empty() || b.empty()) c.fail("operands must have rank 1 or more");
  if (c.attributes().integer("transB", 0) != 0) std::swap(b[b.size() - 1], b[b.size() - 2]);
  const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), Dim(1));
  if (vector_b) b.push_back(Dim(1));
  if (!(a.back() == b[b.size() - 2]))
    c.fail("inner dims differ: " + core::shape_text(c.shape(kA)) + " x " + core::shape_text(c.shape(kB)));
  SymShape to = broadcast(SymShape(a.begin(), a.end() - 2), SymShape(b.begin(), b.end() - 2));
  if (!vector_a) to.push_back(a[a.size() - 2]);
  if (!vector_b) to.push_back(b.back());
  c.set(0, result_dtype(c), std::move(to));
}

struct ZeroSteps {
  uint32_t step = 0, batch = 0;
};

// A zero point is one number, one a row or column, or that for each matrix of the batch.
ZeroSteps zero_steps(LowerContext& c, size_t operand, uint32_t count, uint32_t batch) {
  if (!c.has(operand)) return {};
  const auto elements = core::element_count(c.shape(operand));
  if (elements == 1) return {};
  if (elements == count) return {1, 0};
  if (elements == uint64_t(count) * batch) return {1, count};
  c.fail("zero point " + core::shape_text(c.shape(operand)) + " fits neither rows nor columns");
}

ValueId repeated(LowerContext& c, ValueId operand, const core::Shape& from, const core::Shape& batch) {
  core::Shape to = batch;
  to.insert(to.end(), from.end() - 2, from.end());
  if (core::element_count(to) == core::element_count(from)) return operand;
  const ValueId full = c.temp(c.value(operand).dtype, to);
  emit_copy(c, operand, full, {to, broadcast_strides(from, to), row_major_strides(to)});
  return full;
}

LoweredBinding optional(LowerContext& c, size_t operand, ValueId otherwise) {
  return c.read(c.has(operand) ? c.in(operand) : otherwise);
}

uint32_t epilogue_flags(const LowerContext& c) {
  uint32_t flags = (c.has(kAZero) ? abi::kIntegerAZero : 0) | (c.has(kBZero) ? abi::kIntegerBZero : 0) |
                   (c.has(kScale) ? abi::kIntegerScale : 0) | (c.has(kResidual) ? abi::kIntegerResidual : 0);
  if (c.has(kBias)) flags |= c.dtype(kBias) == DType::kI32 ? abi::kIntegerBias : abi::kIntegerFloatBias;
  return flags;
}

uint32_t scale_step(const LowerContext& c) {
  return c.has(kScale) && core::element_count(c.shape(kScale)) > 1 ? 1 : 0;
}

void lower_product(LowerContext& c) {
  core::Shape a = c.shape(kA), b = c.shape(kB);
  const bool transposed = c.attributes().integer("transB", 0) != 0;
  if (a.size() == 1) a.insert(a.begin(), 1);
  if (b.size() == 1) b.push_back(1);
  core::Shape batch;
  for (const Dim& dim : broadcast(SymShape(a.begin(), a.end() - 2), SymShape(b.begin(), b.end() - 2)))
    batch.push_back(dim.value());
  abi::MatmulIntegerParams p{};
  p.m = narrow(a[a.size() - 2]);
  p.k = narrow(a.back());
  p.n = narrow(b[b.size() - (transposed ? 2 : 1)]);
  p.batch = narrow(int64_t(core::element_count(batch)));
  const bool shared_b = core::element_count({b.begin(), b.end() - 2}) == 1;
  const bool shared_a = core::element_count({a.begin(), a.end() - 2}) == 1;
  const ZeroSteps a_zero = zero_steps(c, kAZero, p.m, p.batch), b_zero = zero_steps(c, kBZero, p.n, p.batch);
  const bool zero_by_batch = (a_zero.step != 0 && a_zero.batch == 0) || b_zero.batch != 0;
  ValueId left = c.in(kA), right = c.in(kB);
  if (shared_b && !shared_a && !zero_by_batch) {
    p.m *= p.batch;
    p.batch = 1;
  } else {
    if (!shared_a) left = repeated(c, left, a, batch);
    if (!shared_b) right = repeated(c, right, b, batch);
  }
  p.lda = p.k;
  p.ldb = transposed ? p.k : p.n;
  p.ldc = p.n;
  p.a_batch = shared_a ? 0 : p.m * p.k;
  p.b_batch = shared_b ? 0 : p.k * p.n;
  p.c_batch = p.m * p.n;
  p.flags = epilogue_flags(c) | (transposed ? abi::kIntegerTransB : 0);
  p.act = uint32_t(c.attributes().integer("act", abi::kActNone));
  p.a_zero_step = a_zero.step;
  p.a_zero_batch = a_zero.batch;
  p.b_zero_step = b_zero.step;
  p.b_zero_batch = b_zero.batch;
  p.scale_step = scale_step(c);
  const auto layout = shared_b && b.size() == 2
                          ? (transposed ? WeightLayout::kMatmulNK : WeightLayout::kMatmulKN)
                          : WeightLayout::kPlain;
  c.emit(
      "matmul_integer", {c.dtype(kA), c.dtype(kB)}, p,
      {c.read(left), c.read(right, layout), optional(c, kAZero, left), optional(c, kBZero, left),
       optional(c, kScale, left), optional(c, kBias, left), optional(c, kResidual, left), c.write(c.out(0))},
      {p.n, p.m, p.batch});
}

}  // namespace

void register_matmul_integer(OpRegistry& registry) {
  registry.add({"MatMulInteger", "", infer_product, lower_product});
  registry.add({std::string(kIntegerProduct), "vulcap", infer_product, lower_product});
}

}  // namespace vulcap::ops
