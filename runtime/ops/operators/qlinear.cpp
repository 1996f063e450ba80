// Quantised operators written as others: QLinear* and QGemm as integer products or as dequantise, compute,
// quantise, and the dynamically quantised products of com.microsoft.
#include <algorithm>
#include <initializer_list>

#include "runtime/ops/integer_product.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

constexpr const char* kMicrosoft = "com.microsoft";

Attributes with(std::string name, int64_t value) {
  Attributes attributes;
  attributes.set(std::move(name), value);
  return attributes;
}

bool single(const ExpandContext& c, ValueId value) { return core::product(c.shape_of(value)) == Dim(1); }

ValueId float_of(ExpandContext& c, ValueId value) {
  return c.dtype_of(value) == DType::kF32 ? value : c.add("Cast", {value}, with("to", int64_t(DType::kF32)));
}

// Operands i, i + 1, i + 2 as real numbers.
ValueId real(ExpandContext& c, size_t i, int64_t axis = 1) {
  return c.add("DequantizeLinear", {c.operand(i), c.operand(i + 1), c.operand(i + 2)}, with("axis", axis));
}

// The result, quantised with operands i and i + 1.
void quantised(ExpandContext& c, ValueId value, size_t i) {
  c.result(0, c.add("QuantizeLinear", {value, c.operand(i), c.operand(i + 1)}));
}

// The result whose scale has been divided out already: rounded and shifted by operand i.
void rounded(ExpandContext& c, ValueId value, size_t i) {
  c.result(0, c.add("QuantizeLinear", {value, c.scalar(DType::kF32, 1), c.operand(i)}));
}

// a_scale * b_scale / y_scale, one number or one a channel of b.
ValueId product_scale(ExpandContext& c, ValueId a, ValueId b, ValueId y) {
  const ValueId both = c.add("Mul", {float_of(c, a), float_of(c, b)});
  return y == graph::kNoValue ? both : c.add("Div", {both, float_of(c, y)});
}

void expand_binary(ExpandContext& c) {
  const std::string op = c.node().op.substr(std::string("QLinear").size());
  quantised(c, c.add(op, {real(c, 0), real(c, 3)}), 6);
}

void expand_unary(ExpandContext& c) {
  const std::string op = c.node().op.substr(std::string("QLinear").size());
  Attributes attributes;
  if (op == "LeakyRelu") attributes.set("alpha", c.attributes().real("alpha", 0.01f));
  quantised(c, c.add(op, {real(c, 0)}, std::move(attributes)), 3);
}

void expand_softmax(ExpandContext& c) {
  const bool flattens = c.attributes().integer("opset", 13) < 13;
  Attributes attributes = with("axis", c.attributes().integer("axis", flattens ? 1 : -1));
  if (flattens) attributes.set("flatten", int64_t(1));
  // ONNX Runtime counts a probability in whole steps to one: 1 / scale without its fraction.
  const ValueId one = c.scalar(DType::kF32, 1);
  const ValueId steps = c.add("Floor", {c.add("Div", {one, float_of(c, c.operand(3))})});
  const ValueId softmax = c.add("Softmax", {real(c, 0)}, std::move(attributes));
  rounded(c, c.add("Mul", {softmax, steps}), 4);
}

void expand_concat(ExpandContext& c) {
  std::vector<ValueId> parts;
  for (size_t i = 2; i + 2 < c.inputs(); i += 3) parts.push_back(real(c, i));
  quantised(c, c.add("Concat", std::move(parts), with("axis", c.attributes().integer("axis", 0))), 0);
}

void expand_where(ExpandContext& c) {
  quantised(c, c.add("Where", {c.operand(0), real(c, 1), real(c, 4)}), 7);
}

void expand_global_pool(ExpandContext& c) {
  const bool last = c.attributes().integer("channels_last", 0) != 0;
  std::vector<int64_t> axes;
  for (int64_t axis = last ? 1 : 2; axis < int64_t(c.rank(0)) - (last ? 1 : 0); ++axis) axes.push_back(axis);
  quantised(c, c.add("ReduceMean", {real(c, 0), c.integers(axes)}), 3);
}

void expand_pool(ExpandContext& c) {
  if (c.attributes().integer("channels_last", 0) != 0) c.fail("channels_last is not supported");
  Attributes attributes = c.attributes();
  quantised(c, c.add("AveragePool", {real(c, 0)}, std::move(attributes)), 3);
}

void expand_reduce_mean(ExpandContext& c) {
  std::vector<ValueId> inputs{real(c, 0)};
  const auto axes = c.attributes().integers("axes");
  if (!axes.empty()) inputs.push_back(c.integers(axes));
  quantised(
      c, c.add("ReduceMean", std::move(inputs), with("keepdims", c.attributes().integer("keepdims", 1))), 3);
}

// A, a_scale, a_zero, B, b_scale, b_zero, y_scale, y_zero
void expand_matmul(ExpandContext& c) {
  if (!single(c, c.operand(1)) || (c.shape_of(c.operand(4)).size() > 1 && !single(c, c.operand(4))))
    return quantised(
        c, c.add("MatMul", {real(c, 0, int64_t(c.rank(0)) - 2), real(c, 3, int64_t(c.rank(3)) - 1)}), 6);
  const ValueId scale = product_scale(c, c.operand(1), c.operand(4), c.operand(6));
  rounded(c,
          c.add(std::string(kIntegerProduct), {c.operand(0), c.operand(3), c.operand(2), c.operand(5), scale},
                {}, "vulcap"),
          7);
}

// x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias?
void expand_conv(ExpandContext& c) {
  if (c.attributes().integer("channels_last", 0) != 0) c.fail("channels_last is not supported");
  const ValueId scale = product_scale(c, c.operand(1), c.operand(4), c.operand(6));
  rounded(c,
          c.add(std::string(kIntegerConv),
                {c.operand(0), c.operand(3), c.operand(2), c.operand(5), scale, c.operand(8)}, c.attributes(),
                "vulcap"),
          7);
}

// A, a_scale, a_zero, B, b_scale, b_zero, C?, y_scale?, y_zero?
void expand_gemm(ExpandContext& c) {
  const bool to_bytes = c.operand(8) != graph::kNoValue;
  ValueId a = c.operand(0);
  if (c.attributes().integer("transA", 0) != 0) a = c.transpose(a, {1, 0});
  ValueId scale = product_scale(c, c.operand(1), c.operand(4), to_bytes ? c.operand(7) : graph::kNoValue);
  const float alpha = c.attributes().real("alpha", 1);
  if (alpha != 1) scale = c.add("Mul", {scale, c.scalar(DType::kF32, alpha)});
  ValueId bias = c.operand(6);
  const bool row = bias != graph::kNoValue && core::product(c.shape_of(bias)) == c.shape_of(bias).back();
  if (bias != graph::kNoValue && !row) c.fail("C must be a row");
  if (row && c.shape_of(bias).size() > 1) bias = c.view(bias, {c.shape_of(bias).back()});
  if (row && single(c, bias)) {
    const int64_t columns = c.static_shape(c.operand(3))[c.attributes().integer("transB", 0) != 0 ? 0 : 1];
    bias = c.add("Expand", {bias, c.integers({columns})});
  }
  const ValueId product =
      c.add(std::string(kIntegerProduct), {a, c.operand(3), c.operand(2), c.operand(5), scale, bias},
            with("transB", c.attributes().integer("transB", 0)), "vulcap");
  if (!to_bytes) return c.result(0, product);
  rounded(c, product, 8);
}

// A, B, a_scale, b_scale, a_zero?, b_zero?, bias?
void expand_to_float(ExpandContext& c) {
  const ValueId scale = product_scale(c, c.operand(2), c.operand(3), graph::kNoValue);
  c.result(
      0, c.add(std::string(kIntegerProduct),
               {c.operand(0), c.operand(1), c.operand(4), c.operand(5), scale, c.operand(6)}, {}, "vulcap"));
}

// A (float), B, b_scale, b_zero?, bias?
void expand_dynamic(ExpandContext& c) {
  const auto a = c.add_split("DynamicQuantizeLinear", {c.operand(0)}, {}, 3);
  const ValueId scale = product_scale(c, a[1], c.operand(2), graph::kNoValue);
  c.result(0, c.add(std::string(kIntegerProduct),
                    {a[0], c.operand(1), a[2], c.operand(3), scale, c.operand(4)}, {}, "vulcap"));
}

// input, weight, bias, input_scale, weight_scale, mask?, input_zero?, weight_zero?, past?
void expand_attention(ExpandContext& c) {
  const ValueId input = c.add("DequantizeLinear", {c.operand(0), c.operand(3), c.operand(6)});
  const ValueId weight =
      c.add("DequantizeLinear", {c.operand(1), c.operand(4), c.operand(7)}, with("axis", 1));
  const auto results = c.add_split("Attention", {input, weight, c.operand(2), c.operand(5), c.operand(8)},
                                   c.attributes(), c.wants(1) ? 2 : 1, kMicrosoft);
  for (size_t i = 0; i < results.size(); ++i) c.result(i, results[i]);
}

// Bytes that hold two or four numbers each, as those numbers.
ValueId as_numbers(ExpandContext& c, ValueId bytes, int64_t bits, int64_t columns) {
  const DType to = bits == 4 ? DType::kU4 : bits == 2 ? DType::kU2 : DType::kU8;
  if (c.dtype_of(bytes) == to) return bytes;
  const auto& constant = c.value(bytes).constant;
  if (!constant) c.fail("a packed table must be constant");
  core::Shape shape = constant->shape();
  const int64_t held = shape.back() * 8 / bits;
  const core::Tensor source = *constant;
  shape.back() = columns;
  if (held == columns) return c.constant(source.reinterpreted(to, shape));
  // A row of few numbers does not fill its last byte: one number a byte.
  core::Tensor numbers(DType::kU8, shape);
  auto target = numbers.mutable_as<uint8_t>();
  for (size_t i = 0; i < target.size(); ++i) {
    const size_t at = (i / size_t(columns) * size_t(held) + i % size_t(columns)) * size_t(bits);
    target[i] = uint8_t((source.as<uint8_t>()[at / 8] >> (at % 8)) & ((1u << bits) - 1));
  }
  return c.add("Cast", {c.constant(std::move(numbers))}, with("to", int64_t(to)));
}

// The zero point that packed bytes have where none is given: the middle of their range.
ValueId middle(ExpandContext& c, DType dtype, const core::Shape& shape) {
  core::Tensor zeros(DType::kU8, shape);
  const uint8_t half = uint8_t(1u << (core::dtype_bits(dtype) - 1));
  for (uint8_t& zero : zeros.mutable_as<uint8_t>()) zero = half;
  const ValueId bytes = c.constant(std::move(zeros));
  return dtype == DType::kU8 ? bytes : c.add("Cast", {bytes}, with("to", int64_t(dtype)));
}

// data, indices, scales, zero_points?
void expand_gather(ExpandContext& c) {
  const size_t rank = c.rank(0);
  const int64_t gather_axis = int64_t(c.axis(c.attributes().integer("gather_axis", 0), rank));
  int64_t axis = int64_t(c.axis(c.attributes().integer("quantize_axis", 1), rank));
  if (axis == gather_axis) c.fail("quantize_axis and gather_axis must differ");
  const bool bytes = c.dtype(0) == DType::kU8;
  const int64_t bits = bytes ? c.attributes().integer("bits", 4) : 4;
  ValueId table = c.operand(0), zero = c.operand(3);
  const core::Shape scale_shape = c.static_shape(c.operand(2));
  if (bytes) {
    table = as_numbers(c, table, bits, c.shape_of(table).back().value() * 8 / bits);
    zero = zero == graph::kNoValue ? middle(c, c.dtype_of(table), scale_shape)
                                   : as_numbers(c, zero, bits, scale_shape.back());
  }
  const auto pick = [&](ValueId from) {
    return from == graph::kNoValue ? from : c.add("Gather", {from, c.operand(1)}, with("axis", gather_axis));
  };
  const ValueId rows = pick(table), scale = pick(c.operand(2)), zeros = pick(zero);
  if (axis > gather_axis) axis += int64_t(c.rank(1)) - 1;
  Attributes attributes = with("axis", axis);
  attributes.set("block_size", c.attributes().integer("block_size", 128));
  c.result(0, c.add("DequantizeLinear", {rows, scale, zeros}, std::move(attributes)));
}

}  // namespace

void register_qlinear(OpRegistry& registry) {
  for (const char* op : {"QLinearAdd", "QLinearMul"}) registry.add_composite(op, kMicrosoft, expand_binary);
  for (const char* op : {"QLinearSigmoid", "QLinearLeakyRelu"})
    registry.add_composite(op, kMicrosoft, expand_unary);
  registry.add_composite("QLinearSoftmax", kMicrosoft, expand_softmax);
  registry.add_composite("QLinearConcat", kMicrosoft, expand_concat);
  registry.add_composite("QLinearWhere", kMicrosoft, expand_where);
  registry.add_composite("QLinearGlobalAveragePool", kMicrosoft, expand_global_pool);
  registry.add_composite("QLinearAveragePool", kMicrosoft, expand_pool);
  registry.add_composite("QLinearReduceMean", kMicrosoft, expand_reduce_mean);
  for (const char* domain : {"", kMicrosoft}) {
    registry.add_composite("QLinearMatMul", domain, expand_matmul);
    registry.add_composite("QLinearConv", domain, expand_conv);
  }
  registry.add_composite("QGemm", kMicrosoft, expand_gemm);
  registry.add_composite("MatMulIntegerToFloat", kMicrosoft, expand_to_float);
  registry.add_composite("DynamicQuantizeMatMul", kMicrosoft, expand_dynamic);
  registry.add_composite("QAttention", kMicrosoft, expand_attention);
  registry.add_composite("GatherBlockQuantized", kMicrosoft, expand_gather);
}

}  // namespace vulcap::ops
