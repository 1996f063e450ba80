// Products with weights that stay as stored: MatMulNBits and MatMulBnb4 of com.microsoft, and
// vulcap.QuantizedLinear, which a pass makes of DequantizeLinear and a product.
#include <algorithm>
#include <bit>

#include "runtime/ops/integer_product.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// The operands of the kernel, by their place among the node's; kNone where the operator has no such operand.
constexpr size_t kNone = 99;
struct Places {
  size_t zero, bias, residual;
};

void require(InferContext& c, bool condition, const std::string& message) {
  if (!condition) c.fail(message);
}

void set_product(InferContext& c, int64_t k, int64_t n) {
  SymShape to = c.shape(0);
  require(c, !to.empty() && to.back() == Dim(k),
          "the input has shape " + core::shape_text(to) + " but K is " + std::to_string(k));
  to.back() = Dim(n);
  c.set(0, c.dtype(0), std::move(to));
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

void expect_elements(InferContext& c, size_t operand, int64_t count) {
  require(c, core::product(c.shape(operand)) == Dim(count),
          "input " + std::to_string(operand) + " has shape " + core::shape_text(c.shape(operand)) +
              ", not the " + std::to_string(count) + " elements that K, N, bits and block_size ask for");
}

// ---- MatMulNBits: A, B u8 [N, blocks, block * bits / 8], scales, zero_points?, g_idx?, bias?, and behind a
// pass residual? ----
struct NBits {
  int64_t k, n, bits, block, blocks, zero_row;

  explicit NBits(const Attributes& attributes)
      : k(attributes.integer("K", 0)),
        n(attributes.integer("N", 0)),
        bits(attributes.integer("bits", 4)),
        block(attributes.integer("block_size", 0)) {
    const bool power = block >= 16 && (block & (block - 1)) == 0;
    if (k <= 0 || n <= 0 || !power || (bits != 2 && bits != 4 && bits != 8)) {
      throw core::Error(core::ErrorCode::kInvalidModel,
                        "K and N must be positive, bits 2, 4 or 8 and block_size a power of two from 16 on");
    }
    blocks = ceil_div(k, block);
    zero_row = ceil_div(blocks * bits, 8);
  }
};

void infer_nbits(InferContext& c) {
  const NBits form(c.attributes());
  require(c, !c.has(4), "reordered columns (g_idx) are not supported");
  require(c, c.dtype(1) == DType::kU8 || c.dtype(1) == DType::kI32, "B must be uint8");
  const int64_t bytes = form.n * form.blocks * form.block * form.bits / 8;
  expect_elements(c, 1, c.dtype(1) == DType::kU8 ? bytes : bytes / 4);
  expect_elements(c, 2, form.n * form.blocks);
  if (c.has(3))
    expect_elements(c, 3, c.dtype(3) == DType::kU8 ? form.n * form.zero_row : form.n * form.blocks);
  set_product(c, form.k, form.n);
}

// m, k and the layout of A and C.
abi::MatmulQuantizedParams product_of(const LowerContext& c, int64_t k, int64_t n) {
  abi::MatmulQuantizedParams p{};
  p.k = p.lda = narrow(k);
  p.n = p.ldc = narrow(n);
  p.m = k == 0 ? 0 : narrow(int64_t(core::element_count(c.shape(0))) / k);
  p.scale_type = uint32_t(c.dtype(2));
  p.act = uint32_t(c.attributes().integer("act", abi::kActNone));
  return p;
}

void emit_product(LowerContext& c, ValueId a, abi::MatmulQuantizedParams p, DType weight, const Places& at,
                  WeightLayout layout) {
  const auto or_a = [&](size_t i) { return c.read(i != kNone && c.has(i) ? c.in(i) : a); };
  if (at.bias != kNone && c.has(at.bias)) p.flags |= abi::kWeightBias;
  if (at.residual != kNone && c.has(at.residual)) p.flags |= abi::kWeightResidual;
  c.emit("matmul_quantized", {c.dtype(0), weight}, p,
         {c.read(a), c.read(c.in(1), layout), c.read(c.in(2)), or_a(at.zero), or_a(at.bias),
          or_a(at.residual), c.write(c.out(0))},
         {p.n, p.m, 1});
}

// [m, k] in rows of whole blocks, zeros behind k.
ValueId in_whole_blocks(LowerContext& c, int64_t m, const NBits& form) {
  const int64_t width = form.blocks * form.block;
  if (width == form.k) return c.in(0);
  const ValueId result = c.temp(DType::kF32, {m, width});
  const uint32_t n = narrow(m * width);
  c.emit("fill", {DType::kF32, {}}, abi::FillParams{n, 0, 0}, {c.write(result)}, {n, 1, 1});
  emit_copy(c, c.in(0), result, {{m, form.k}, {form.k, 1}, {width, 1}});
  return result;
}

// The largest magnitude of each block as a share of the largest signed byte.
ValueId block_scale(LowerContext& c, ValueId a, uint32_t blocks, uint32_t block) {
  constexpr uint32_t kAbs = 2, kDiv = 3;  // rows of elementwise.def
  const uint32_t n = blocks * block;
  const ValueId magnitude = c.temp(DType::kF32, {int64_t(n)}),
                largest = c.temp(DType::kF32, {int64_t(blocks)});
  const ValueId steps = c.temp(DType::kF32, {1}), scale = c.temp(DType::kF32, {int64_t(blocks)});
  c.emit("unary", {DType::kF32, {}}, abi::UnaryParams{n, kAbs, 0, 0}, {c.read(a), c.write(magnitude)},
         {n, 1, 1});
  c.emit("reduce", {DType::kF32, {}}, abi::ReduceParams{blocks, block, 1, abi::kReduceMax},
         {c.read(magnitude), c.write(largest)}, {blocks, 1, 1});
  c.emit("fill", {DType::kF32, {}}, abi::FillParams{1, std::bit_cast<uint32_t>(127.0f), 0}, {c.write(steps)},
         {1, 1, 1});
  abi::BinaryParams p{};
  p.n = blocks;
  p.op = kDiv;
  std::fill_n(p.shape, 6, 1u);
  p.shape[5] = blocks;
  p.a_stride[5] = 1;
  c.emit("binary", {DType::kF32, DType::kF32}, p, {c.read(largest), c.read(steps), c.write(scale)},
         {blocks, 1, 1});
  return scale;
}

// Accuracy level 4: A is rounded to signed bytes, with a scale a block, as ONNX Runtime does.
ValueId in_byte_steps(LowerContext& c, int64_t m, const NBits& form) {
  const int64_t width = form.blocks * form.block;
  const ValueId a = in_whole_blocks(c, m, form);
  const uint32_t n = narrow(m * width), blocks = narrow(m * form.blocks), block = narrow(form.block);
  const ValueId scale = block_scale(c, a, blocks, block);
  abi::QuantizeParams p{};
  p.n = n;
  p.axis = narrow(width);
  p.inner = 1;
  p.block = block;
  p.outer_stride = narrow(form.blocks);
  p.axis_stride = 1;
  p.scale_type = uint32_t(DType::kF32);
  const ValueId bytes = c.temp(DType::kI8, {m, width}), result = c.temp(DType::kF32, {m, width});
  c.emit("quantize", {DType::kF32, DType::kI8}, p, {c.read(a), c.read(scale), c.read(scale), c.write(bytes)},
         {n, 1, 1});
  c.emit("dequantize", {DType::kI8, DType::kF32}, p,
         {c.read(bytes), c.read(scale), c.read(scale), c.write(result)}, {n, 1, 1});
  return result;
}

void lower_nbits(LowerContext& c) {
  const NBits form(c.attributes());
  abi::MatmulQuantizedParams p = product_of(c, form.k, form.n);
  p.bits = uint32_t(form.bits);
  p.block = narrow(form.block);
  p.b_k = 1;
  p.b_n = narrow(form.blocks * form.block);
  p.s_k = p.z_k = 1;
  p.s_n = p.z_n = narrow(form.blocks);
  p.zero = float(1 << (form.bits - 1));
  if (c.has(3)) {
    const bool packed = c.dtype(3) == DType::kU8;
    p.flags |= packed ? abi::kWeightZero : abi::kWeightZeroReal;
    if (packed) p.z_n = narrow(form.zero_row * 8 / form.bits);
  }
  ValueId a = c.in(0);
  if (c.attributes().integer("accuracy_level", 0) == 4 && c.dtype(0) == DType::kF32 && p.m > 0) {
    a = in_byte_steps(c, p.m, form);
    p.lda = narrow(form.blocks * form.block);
  }
  emit_product(c, a, p, DType::kU8, {3, 5, 6}, WeightLayout::kBlocks);
}

// ---- MatMulBnb4: A, B u8 [(N * K + 1) / 2], absmax [blocks of N * K], and behind a pass bias?, residual?
// ----
void infer_bnb4(InferContext& c) {
  const int64_t k = c.attributes().integer("K", 0), n = c.attributes().integer("N", 0);
  const int64_t block = c.attributes().integer("block_size", 0),
                type = c.attributes().integer("quant_type", 1);
  require(c, k > 0 && n > 0 && block >= 16 && (type == 0 || type == 1),
          "K, N and block_size must be positive and quant_type 0 or 1");
  require(c, c.dtype(1) == DType::kU8, "B must be uint8");
  expect_elements(c, 1, ceil_div(n * k, 2));
  expect_elements(c, 2, ceil_div(n * k, block));
  set_product(c, k, n);
}

void lower_bnb4(LowerContext& c) {
  const int64_t k = c.attributes().integer("K", 0), n = c.attributes().integer("N", 0);
  abi::MatmulQuantizedParams p = product_of(c, k, n);
  p.bits = 4;
  p.block = narrow(c.attributes().integer("block_size", 0));
  p.b_k = 1;
  p.b_n = p.k;
  p.flags = abi::kWeightHighFirst |
            (c.attributes().integer("quant_type", 1) == 1 ? abi::kWeightNf4 : abi::kWeightFp4);
  p.s_k = 1;
  p.s_n = p.k / p.block;
  if (p.k % p.block != 0) p.flags |= abi::kWeightFlatBlocks;
  emit_product(c, c.in(0), p, DType::kU8, {kNone, 3, 4}, WeightLayout::kBlocks);
}

// ---- vulcap.QuantizedLinear: x [..., k], W [k, n] or with transB [n, k], scale, zero?, bias?, residual?;
// transB, act, and of the DequantizeLinear axis and block_size ----
void infer_quantized_linear(InferContext& c) {
  const SymShape& w = c.shape(1);
  require(c, w.size() == 2 && core::is_static(w), "the weight must be a matrix");
  const bool transposed = c.attributes().integer("transB", 0) != 0;
  set_product(c, w[transposed ? 1 : 0].value(), w[transposed ? 0 : 1].value());
}

// Strides of a scale over (k / block, n): one number, a row or column of them, or a matrix of blocks.
void set_scale_strides(const LowerContext& c, bool transposed, abi::MatmulQuantizedParams& p) {
  const core::Shape scale = c.shape(2);
  p.block = std::max(1u, p.k);
  if (core::element_count(scale) == 1) return;
  const int64_t axis_attribute = c.attributes().integer("axis", 1),
                block = c.attributes().integer("block_size", 0);
  const bool along_k = (axis_attribute & 1) == (transposed ? 1 : 0);  // of two axes; -1 is 1, -2 is 0
  if (block == 0) {
    (along_k ? p.s_k : p.s_n) = 1;
    if (along_k) p.block = 1;
  } else {
    p.block = along_k ? narrow(block) : 1;
    p.s_k = transposed ? 1 : narrow(scale[1]);
    p.s_n = transposed ? narrow(scale[1]) : 1;
  }
  p.z_k = p.s_k;
  p.z_n = p.s_n;
}

void lower_quantized_linear(LowerContext& c) {
  const core::Shape w = c.shape(1);
  const bool transposed = c.attributes().integer("transB", 0) != 0;
  abi::MatmulQuantizedParams p = product_of(c, w[transposed ? 1 : 0], w[transposed ? 0 : 1]);
  p.bits = uint32_t(core::dtype_bits(c.dtype(1)));
  p.b_k = transposed ? 1 : p.n;
  p.b_n = transposed ? p.k : 1;
  set_scale_strides(c, transposed, p);
  if (core::dtype_is_signed(c.dtype(1))) p.flags |= abi::kWeightSigned;
  if (c.has(3)) p.flags |= abi::kWeightZero;
  emit_product(c, c.in(0), p, c.dtype(1), {3, 4, 5},
               transposed ? WeightLayout::kMatmulNK : WeightLayout::kMatmulKN);
}

}  // namespace

void register_matmul_quantized(OpRegistry& registry) {
  registry.add({"MatMulNBits", "com.microsoft", infer_nbits, lower_nbits});
  registry.add({"MatMulBnb4", "com.microsoft", infer_bnb4, lower_bnb4});
  registry.add({std::string(kQuantizedLinear), "vulcap", infer_quantized_linear, lower_quantized_linear});
}

}  // namespace vulcap::ops
