// Matrix products: MatMul-13, Gemm-13, and vulcap.Linear (a product with everything that was fused behind
// it).
#include <algorithm>

#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// ---- MatMul ----
void infer_matmul(InferContext& c) {
  SymShape a = c.shape(0);
  SymShape b = c.shape(1);
  if (a.empty() || b.empty()) c.fail("operands must have rank 1 or more");
  const bool vector_a = a.size() == 1;
  const bool vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), Dim(1));
  if (vector_b) b.push_back(Dim(1));
  if (!(a.back() == b[b.size() - 2])) {
    c.fail("inner dims differ: " + core::shape_text(c.shape(0)) + " x " + core::shape_text(c.shape(1)));
  }
  SymShape to = broadcast(SymShape(a.begin(), a.end() - 2), SymShape(b.begin(), b.end() - 2));
  if (!vector_a) to.push_back(a[a.size() - 2]);
  if (!vector_b) to.push_back(b.back());
  c.same_dtype(0, 1);
  c.set(0, c.dtype(0), std::move(to));
}

// The operand repeated to the full batch shape.
ValueId expand_batch(LowerContext& c, ValueId operand, const core::Shape& from, const core::Shape& batch) {
  core::Shape to = batch;
  to.insert(to.end(), from.end() - 2, from.end());
  if (core::element_count(to) == core::element_count(from)) return operand;
  const ValueId full = c.temp(c.value(operand).dtype, to);
  emit_copy(c, operand, full, {to, broadcast_strides(from, to), row_major_strides(to)});
  return full;
}

void lower_matmul(LowerContext& c) {
  core::Shape a = c.shape(0);
  core::Shape b = c.shape(1);
  if (a.size() == 1) a.insert(a.begin(), 1);
  if (b.size() == 1) b.push_back(1);
  core::Shape batch;
  for (const Dim& dim : broadcast(SymShape(a.begin(), a.end() - 2), SymShape(b.begin(), b.end() - 2)))
    batch.push_back(dim.value());
  abi::MatmulParams p{};
  p.m = narrow(a[a.size() - 2]);
  p.k = narrow(a.back());
  p.n = narrow(b.back());
  p.batch = narrow(int64_t(core::element_count(batch)));
  p.alpha = 1;
  const bool shared_b = core::element_count({b.begin(), b.end() - 2}) == 1;
  const bool shared_a = core::element_count({a.begin(), a.end() - 2}) == 1;
  ValueId left = c.in(0);
  ValueId right = c.in(1);
  if (shared_b && !shared_a) {
    p.m *= p.batch;
    p.batch = 1;
  } else if (!shared_b) {
    if (!shared_a) left = expand_batch(c, left, a, batch);
    right = expand_batch(c, right, b, batch);
  }
  p.lda = p.k;
  p.ldb = p.n;
  p.ldc = p.n;
  p.a_batch = shared_a ? 0 : p.m * p.k;
  p.b_batch = shared_b ? 0 : p.k * p.n;
  p.c_batch = p.m * p.n;
  c.emit("matmul", {c.dtype(0), c.dtype(1)}, p,
         {c.read(left), c.read(right), c.read(left), c.read(left), c.write(c.out(0))}, {p.n, p.m, p.batch});
}

// ---- Gemm ----
void infer_gemm(InferContext& c) {
  const SymShape& a = c.shape(0);
  const SymShape& b = c.shape(1);
  c.same_dtype(0, 1);
  if (c.has(2)) c.same_dtype(0, 2);
  if (a.size() != 2 || b.size() != 2) c.fail("operands must be matrices");
  const bool trans_a = c.attributes().integer("transA", 0) != 0;
  const bool trans_b = c.attributes().integer("transB", 0) != 0;
  if (!(a[trans_a ? 0 : 1] == b[trans_b ? 1 : 0]))
    c.fail("inner dims differ: " + core::shape_text(a) + " x " + core::shape_text(b));
  SymShape to{a[trans_a ? 1 : 0], b[trans_b ? 0 : 1]};
  if (c.has(2) && !(broadcast(c.shape(2), to) == to)) {
    c.fail("the addend " + core::shape_text(c.shape(2)) + " does not broadcast to " + core::shape_text(to));
  }
  c.set(0, c.dtype(0), std::move(to));
}

ValueId transposed(LowerContext& c, ValueId matrix) {
  const core::Shape from = c.static_shape(matrix);
  const core::Shape to{from[1], from[0]};
  const ValueId result = c.temp(c.value(matrix).dtype, to);
  emit_copy(c, matrix, result, {to, {1, from[1]}, row_major_strides(to)});
  return result;
}

// y = y + beta * addend, broadcast.
void emit_add(LowerContext& c, ValueId product, ValueId addend, float beta, ValueId out) {
  const core::Shape to = c.static_shape(out);
  const DType dtype = c.value(out).dtype;
  if (beta != 1.0f) {
    const core::Shape shape = c.static_shape(addend);
    const uint32_t n = narrow(int64_t(core::element_count(shape)));
    const ValueId scaled = c.temp(dtype, shape);
    const ValueId factor = c.temp(DType::kF32, {1});
    uint32_t bits = 0;
    std::copy_n(reinterpret_cast<const char*>(&beta), 4, reinterpret_cast<char*>(&bits));
    c.emit("fill", {DType::kF32, {}}, abi::FillParams{1, bits, 0}, {c.write(factor)}, {1, 1, 1});
    const ValueId typed = dtype == DType::kF32 ? factor : c.temp(dtype, {1});
    if (typed != factor)
      c.emit("cast", {DType::kF32, dtype}, abi::CastParams{1, 0}, {c.read(factor), c.write(typed)},
             {1, 1, 1});
    abi::BinaryParams p{};
    p.n = n;
    p.op = 2;
    std::fill_n(p.shape, 6, 1u);
    p.shape[5] = n;
    p.a_stride[5] = 1;
    c.emit("binary", {dtype, dtype}, p, {c.read(addend), c.read(typed), c.write(scaled)}, {n, 1, 1});
    addend = scaled;
  }
  const auto space = collapse<2>(to, {row_major_strides(to), broadcast_strides(c.static_shape(addend), to)});
  abi::BinaryParams p{};
  p.n = space.n;
  p.op = 0;
  for (size_t i = 0; i < 6; ++i) {
    p.shape[i] = space.shape[i];
    p.a_stride[i] = uint32_t(space.strides[0][i]);
    p.b_stride[i] = uint32_t(space.strides[1][i]);
  }
  c.emit("binary", {dtype, dtype}, p, {c.read(product), c.read(addend), c.write(out)}, {p.n, 1, 1});
}

// How the product itself takes the addend in: as a bias of columns or rows, or as a residual. 0: it does not.
uint32_t addend_flags(const core::Shape& addend, const core::Shape& to) {
  const int64_t rows = addend.size() == 2 ? addend[0] : 1, columns = addend.empty() ? 1 : addend.back();
  if (rows == to[0] && columns == to[1]) return abi::kMatmulResidual;
  if (rows == 1 && columns == to[1]) return abi::kMatmulBias;
  if (rows == to[0] && columns == 1) return abi::kMatmulBias | abi::kMatmulBiasPerRow;
  return 0;
}

void lower_gemm(LowerContext& c) {
  const bool trans_b = c.attributes().integer("transB", 0) != 0;
  const ValueId a = c.attributes().integer("transA", 0) != 0 ? transposed(c, c.in(0)) : c.in(0);
  const core::Shape shape = c.static_shape(a);
  const core::Shape to = c.static_shape(c.out(0));
  const float beta = c.attributes().real("beta", 1.0f);
  abi::MatmulParams p{};
  p.m = narrow(to[0]);
  p.n = narrow(to[1]);
  p.k = narrow(shape[1]);
  p.batch = 1;
  p.lda = p.k;
  p.ldb = trans_b ? p.k : p.n;
  p.ldc = p.n;
  p.alpha = c.attributes().real("alpha", 1.0f);
  const bool has_addend = c.has(2) && beta != 0;
  const bool real = core::dtype_is_float(c.dtype(0));
  const uint32_t taken = has_addend && beta == 1 && real ? addend_flags(c.shape(2), to) : 0;
  p.flags = (trans_b ? abi::kMatmulTransB : 0) | taken;
  const bool add_after = has_addend && taken == 0;
  const ValueId product = add_after ? c.temp(c.dtype(0), to) : c.out(0);
  const LoweredBinding addend = c.read(taken != 0 ? c.in(2) : a);
  c.emit("matmul", {c.dtype(0), c.dtype(1)}, p,
         {c.read(a), c.read(c.in(1)), addend, addend, c.write(product)}, {p.n, p.m, 1});
  if (add_after) emit_add(c, product, c.in(2), beta, c.out(0));
}

// ---- vulcap.Linear: act(alpha * x W + bias) + residual; inputs x, W, bias?, residual?; x [..., k], W [k, n]
// or [n, k] ----
void infer_linear(InferContext& c) {
  SymShape to = c.shape(0);
  const SymShape& w = c.shape(1);
  const bool trans_b = c.attributes().integer("transB", 0) != 0;
  if (to.empty() || w.size() != 2 || !(to.back() == w[trans_b ? 1 : 0])) {
    c.fail("inner dims differ: " + core::shape_text(to) + " x " + core::shape_text(w));
  }
  to.back() = w[trans_b ? 0 : 1];
  c.set(0, c.dtype(0), std::move(to));
}

void lower_linear(LowerContext& c) {
  const core::Shape x = c.shape(0);
  const core::Shape w = c.shape(1);
  const bool trans_b = c.attributes().integer("transB", 0) != 0;
  abi::MatmulParams p{};
  p.k = narrow(x.back());
  const uint32_t columns = narrow(w[trans_b ? 0 : 1]);
  p.m = p.k == 0 ? narrow(int64_t(core::element_count({x.begin(), x.end() - 1})))
                 : narrow(int64_t(core::element_count(x)) / p.k);
  p.batch = 1;
  p.lda = p.k;
  p.ldc = columns;
  p.flags = (trans_b ? abi::kMatmulTransB : 0) | (c.has(2) ? abi::kMatmulBias : 0) |
            (c.has(3) ? abi::kMatmulResidual : 0);
  p.act = uint32_t(c.attributes().integer("act", abi::kActNone));
  p.alpha = c.attributes().real("alpha", 1.0f);
  const uint64_t column_bytes = std::max<uint64_t>(1, core::dtype_bytes(c.dtype(1), p.k));
  uint64_t part = columns;
  // A weight too large for one binding is multiplied in column ranges; a multiple of 64 keeps the tiles
  // whole.
  if (column_bytes * columns > c.limits().max_binding_bytes) {
    part = std::max<uint64_t>(64, c.limits().max_binding_bytes / column_bytes / 64 * 64);
  }
  for (uint64_t begin = 0; begin < columns; begin += part) {
    const uint64_t end = std::min<uint64_t>(begin + part, columns);
    p.n = uint32_t(end - begin);
    p.ldb = trans_b ? p.k : p.n;
    p.c_column = uint32_t(begin);
    LoweredBinding weight = c.read(c.in(1), trans_b ? WeightLayout::kMatmulNK : WeightLayout::kMatmulKN);
    if (part < columns) {
      weight.n_begin = begin;
      weight.n_end = end;
    }
    c.emit("matmul", {c.dtype(0), c.dtype(1)}, p,
           {c.read(c.in(0)), weight, c.read(c.has(2) ? c.in(2) : c.in(0)),
            c.read(c.has(3) ? c.in(3) : c.in(0)), c.write(c.out(0))},
           {p.n, p.m, 1});
  }
}

}  // namespace

void register_matmul(OpRegistry& registry) {
  registry.add({"MatMul", "", infer_matmul, lower_matmul});
  registry.add({"Gemm", "", infer_gemm, lower_gemm});
  registry.add({"Linear", "vulcap", infer_linear, lower_linear});
}

}  // namespace vulcap::ops
