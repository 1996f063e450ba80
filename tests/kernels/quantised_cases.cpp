// Rows and builders of the kernels on quantised numbers.
#include <algorithm>
#include <cmath>

#include "tests/kernels/builder.h"
#include "tests/kernels/families.h"

namespace vulcap::testing {
namespace {

using core::DType;

// Numbers over the whole range of a dtype.
uint32_t whole_range(Builder& builder, DType dtype, size_t count) {
  const double high = std::ldexp(1.0, int(core::dtype_bits(dtype)) - (core::dtype_is_signed(dtype) ? 1 : 0));
  return builder.input(dtype, count, core::dtype_is_signed(dtype) ? -high : 0, high);
}

// quantize, dequantize: outer axis inner, per (tensor, axis or block), block, zero, half_scale
void build_numbers(Row& row, Builder& builder, bool quantize) {
  abi::QuantizeParams p{};
  const auto outer = uint32_t(row.integer("outer", 2));
  p.axis = uint32_t(row.integer("axis", 5));
  p.inner = uint32_t(row.integer("inner", 7));
  p.block = 1;
  p.n = outer * p.axis * p.inner;
  size_t scales = 1;
  const std::string per = row.text("per", "tensor");
  if (per == "axis") {
    p.axis_stride = 1;
    scales = p.axis;
  }
  const auto block = uint32_t(row.integer("block", 2));
  if (per == "block") {
    p.block = block;
    const uint32_t blocks = (p.axis + block - 1) / block;
    p.axis_stride = p.inner;
    p.inner_stride = 1;
    p.outer_stride = blocks * p.inner;
    scales = size_t(outer) * blocks * p.inner;
  }
  const DType scale_type = row.flag("half_scale") ? DType::kF16 : DType::kF32;
  p.scale_type = uint32_t(scale_type);
  const DType number = quantize ? builder.second() : builder.storage();
  if (quantize) {
    builder.input(builder.storage(), p.n);
  } else {
    whole_range(builder, number, p.n);
  }
  const uint32_t scale = builder.input(scale_type, scales, 0.01, 0.02);
  if (row.flag("zero")) {
    p.flags |= abi::kQuantizeZero;
    whole_range(builder, number, scales);
  } else {
    builder.bind(scale);
  }
  if (quantize) builder.test().tolerance = 0;
  builder.output(builder.second(), p.n);
  builder.finish(p, p.n);
}

// quantize_range: n
void build_range(Row& row, Builder& builder) {
  const abi::QuantizeRangeParams p{uint32_t(row.integer("n", 17))};
  builder.input(DType::kF32, p.n);
  builder.input(DType::kF32, p.n);
  builder.output(DType::kF32, 1);
  builder.output(DType::kU8, 1);
  builder.finish(p, 1);
}

uint32_t optional_bytes(Row& row, Builder& builder, const char* name, DType dtype, size_t count,
                        uint32_t otherwise) {
  const std::string kind = row.text(name, "");
  if (kind.empty()) {
    builder.bind(otherwise);
    return 0;
  }
  whole_range(builder, dtype, kind == "one" ? 1 : count);
  return kind == "one" ? 1 : 2;
}

// matmul_integer: m n k batch transb share_b, a_zero and b_zero (one or each), scale (one, column or row),
// bias float_bias residual act
void build_integer(Row& row, Builder& builder) {
  abi::MatmulIntegerParams p{};
  p.m = uint32_t(row.integer("m", 5));
  p.n = uint32_t(row.integer("n", 7));
  p.k = p.lda = uint32_t(row.integer("k", 9));
  p.batch = uint32_t(row.integer("batch", 1));
  const bool transposed = row.flag("transb");
  p.ldb = transposed ? p.k : p.n;
  p.ldc = p.n;
  p.a_batch = p.m * p.k;
  p.b_batch = row.flag("share_b") || p.batch == 1 ? 0 : p.k * p.n;
  p.c_batch = p.m * p.n;
  if (builder.storage() == DType::kF32) builder.test().call.variant.storage = DType::kU8;
  if (builder.second() == DType::kUndefined) builder.test().call.variant.second = DType::kI8;
  const size_t batches = std::max<size_t>(p.batch, 1) - 1, c_count = size_t(p.batch) * p.m * p.n;
  const uint32_t a = whole_range(builder, builder.storage(), size_t(p.batch) * p.m * p.k);
  whole_range(builder, builder.second(), batches * p.b_batch + size_t(p.k) * p.n);
  const uint32_t a_zero = optional_bytes(row, builder, "a_zero", builder.storage(), p.m, a);
  const uint32_t b_zero = optional_bytes(row, builder, "b_zero", builder.second(), p.n, a);
  p.a_zero_step = a_zero == 2 ? 1 : 0;
  p.b_zero_step = b_zero == 2 ? 1 : 0;
  p.flags = (transposed ? abi::kIntegerTransB : 0) | (a_zero != 0 ? abi::kIntegerAZero : 0) |
            (b_zero != 0 ? abi::kIntegerBZero : 0);
  const std::string scale = row.text("scale", "");
  if (scale.empty()) {
    builder.bind(a);
  } else {
    p.flags |= abi::kIntegerScale | (scale == "row" ? abi::kIntegerPerRow : 0);
    p.scale_step = scale == "one" ? 0 : 1;
    builder.input(DType::kF32, scale == "one" ? 1 : scale == "row" ? p.m : p.n, 1e-4, 2e-4);
  }
  const size_t channels = scale == "row" ? p.m : p.n;
  if (row.flag("bias")) {
    p.flags |= abi::kIntegerBias;
    builder.input(DType::kI32, channels, -1000, 1000);
  } else if (row.flag("float_bias")) {
    p.flags |= abi::kIntegerFloatBias;
    builder.input(DType::kF32, channels);
  } else {
    builder.bind(a);
  }
  if (row.flag("residual")) {
    p.flags |= abi::kIntegerResidual;
    builder.input(DType::kF32, c_count);
  } else {
    builder.bind(a);
  }
  p.act = row.flag("gelu") ? abi::kActGelu : abi::kActNone;
  builder.output(scale.empty() ? DType::kI32 : DType::kF32, c_count);
  KernelCase& test = builder.test();
  if (p.b_batch == 0) test.weight = transposed ? ops::WeightLayout::kMatmulNK : ops::WeightLayout::kMatmulKN;
  builder.finish(p, p.n, p.m, p.batch);
}

// matmul_quantized: m n k bits block, layout (rows: [n, k], columns: [k, n]), signed, zero (packed or real),
// table (fp4 or nf4), flat, half_scale, bias residual gelu
void build_quantized(Row& row, Builder& builder) {
  abi::MatmulQuantizedParams p{};
  p.m = uint32_t(row.integer("m", 3));
  p.n = p.ldc = uint32_t(row.integer("n", 7));
  p.k = p.lda = uint32_t(row.integer("k", 64));
  p.bits = uint32_t(row.integer("bits", 4));
  p.block = uint32_t(row.integer("block", 32));
  if (p.block == 0) p.block = std::max(1u, p.k);
  const uint32_t blocks = (p.k + p.block - 1) / p.block;
  const bool by_rows = row.text("layout", "rows") == "rows", flat = row.flag("flat"),
             padded = !row.flag("tight");
  p.b_k = by_rows ? 1 : p.n;
  p.b_n = by_rows ? (flat || !padded ? p.k : blocks * p.block) : 1;
  p.s_k = by_rows ? 1 : p.n;
  p.s_n = by_rows ? blocks : 1;
  const std::string zero = row.text("zero", ""), table = row.text("table", "");
  const uint32_t zero_row = by_rows && zero == "packed" ? (blocks * p.bits + 7) / 8 * 8 / p.bits : p.s_n;
  p.z_k = p.s_k;
  p.z_n = zero_row;
  p.zero = float(row.real("zero_value", 8));
  p.flags = (row.flag("signed") ? abi::kWeightSigned : 0) | (flat ? abi::kWeightFlatBlocks : 0) |
            (table == "fp4" ? abi::kWeightFp4 | abi::kWeightHighFirst : 0) |
            (table == "nf4" ? abi::kWeightNf4 | abi::kWeightHighFirst : 0);
  const DType scale_type = row.flag("half_scale") ? DType::kF16 : DType::kF32;
  p.scale_type = uint32_t(scale_type);
  if (builder.second() == DType::kUndefined) {
    const bool bytes = p.bits == 8 && (p.flags & abi::kWeightSigned) != 0;
    builder.test().call.variant.second = bytes ? DType::kI8 : DType::kU8;
  }
  const uint32_t a = builder.input(builder.storage(), size_t(p.m) * p.k);
  const size_t numbers = by_rows ? size_t(p.n) * p.b_n : size_t(p.k) * p.n;
  whole_range(builder, DType::kU8, (numbers * p.bits + 7) / 8);
  const size_t scales = flat ? (size_t(p.n) * p.k + p.block - 1) / p.block : size_t(blocks) * p.n;
  builder.input(scale_type, scales, 0.01, 0.02);
  if (zero == "packed") {
    p.flags |= abi::kWeightZero;
    whole_range(builder, DType::kU8, (size_t(by_rows ? p.n * zero_row : blocks * p.n) * p.bits + 7) / 8);
  } else if (zero == "real") {
    p.flags |= abi::kWeightZeroReal;
    builder.input(scale_type, scales, 5, 9);
  } else {
    builder.bind(a);
  }
  const auto optional = [&](const char* name, uint32_t flag, size_t count) {
    const bool given = row.flag(name);
    if (given) p.flags |= flag;
    given ? void(builder.input(builder.storage(), count)) : builder.bind(a);
  };
  optional("bias", abi::kWeightBias, p.n);
  optional("residual", abi::kWeightResidual, size_t(p.m) * p.n);
  p.act = row.flag("gelu") ? abi::kActGelu : abi::kActNone;
  builder.output(builder.storage(), size_t(p.m) * p.n);
  if (p.bits == 8 && p.b_n == (by_rows ? p.k : 1))
    builder.test().weight = by_rows ? ops::WeightLayout::kMatmulNK : ops::WeightLayout::kMatmulKN;
  if (builder.storage() == DType::kF32)
    builder.test().tolerance = 4e-6 * std::sqrt(std::max(1.0, double(p.k)));
  builder.finish(p, p.n, p.m);
}

constexpr const char* kRows[] = {
    "quantize second={u8;i8;u16;i16;u4;i4;u2;i2} zero storage={f32;f16} low=-4 high=4",
    "quantize second={u8;i4} per={tensor;axis;block} {zero;half_scale} low=-4 high=4",
    "quantize second=u8 per=block block=3 axis=8 outer=3 inner=1 low=-4 high=4",
    "quantize second=u8 special zero",
    "quantize second={f8e4m3fn;f8e5m2;f4e2m1} per={tensor;axis} storage={f32;f16} low=-9 high=9",
    "quantize second={f8e4m3fn;f8e5m2;f4e2m1} low=-0.001 high=0.001",
    "quantize second=i8 outer=0",
    "dequantize storage={u8;i8;u16;i16;i32;u4;i4;u2;i2} zero second={f32;f16}",
    "dequantize storage={u8;i4} second=f32 per={tensor;axis;block} {zero;half_scale}",
    "dequantize storage=u8 second=f32 per=block block=3 axis=8 outer=3 inner=1",
    "dequantize storage={f8e4m3fn;f8e5m2;f4e2m1} second={f32;f16} per={tensor;axis}",
    "dequantize storage=i8 second=f32 outer=0",
    "quantize_range n={1;2;8;17;1031}",
    "quantize_range n=5 low={1;-9} high={3;-2}",
    "quantize_range n=0",
    "matmul_integer m={1;2;5;8;13;65} n={1;31;32;33;70} k={1;3;4;29}",
    "matmul_integer storage={u8;i8} second={u8;i8} m=9 n=37 k=31 a_zero={one;each} b_zero={one;each}",
    "matmul_integer storage={u8;i8} second={u8;i8} m=9 n=37 k=31 {transb;transb b_zero=one;a_zero=one}",
    "matmul_integer m={1;17} n=67 k=768 scale={one;column;row} {bias;float_bias;float_bias residual gelu}",
    "matmul_integer batch=3 m=7 n=33 k=12 {transb;share_b;a_zero=one b_zero=each;scale=row bias}",
    "matmul_integer m=4 n=4 k=8 second=u8 b_zero=one",
    "matmul_integer m=1 n=4099 k=64 scale=column second={u8;i8}",
    "matmul_integer {m=0;n=0;k=0;batch=0}",
    "matmul_quantized m={1;2;4;5;65} n={1;33;70} k={64;96;40} {bias;zero=packed}",
    "matmul_quantized m={1;7} block={16;64;128} k={128;200} zero={packed;real}",
    "matmul_quantized m={1;6} bits={2;4;8} k=64 {half_scale;zero=packed half_scale;storage=f16}",
    "matmul_quantized m={1;6} table={fp4;nf4} {k=64;k=36 block=16 flat;k=96 tight}",
    "matmul_quantized m={1;6} n={33;36} bits=8 layout={rows;columns} block=0 tight {signed;half_scale} "
    "zero_value=3",
    "matmul_quantized m={1;6} n={33;36} bits=8 layout={rows;columns} block=0 tight zero=packed",
    "matmul_quantized m={1;6} n=36 bits={4;8} layout=columns block={16;32;1} k=64 signed zero_value=0",
    "matmul_quantized m=5 n=37 k=64 bias residual gelu storage={f32;f16}",
    "matmul_quantized m=197 n=40 k=96",
    "matmul_quantized {m=0;n=0}",
};

}  // namespace

std::span<const char* const> quantised_rows() { return kRows; }

bool build_quantised_case(const std::string& kernel, Row& row, Builder& builder) {
  if (kernel == "quantize" || kernel == "dequantize") {
    build_numbers(row, builder, kernel == "quantize");
  } else if (kernel == "quantize_range") {
    build_range(row, builder);
  } else if (kernel == "matmul_integer") {
    build_integer(row, builder);
  } else if (kernel == "matmul_quantized") {
    build_quantized(row, builder);
  } else {
    return false;
  }
  return true;
}

}  // namespace vulcap::testing
