#include <algorithm>

#include "tests/differential/draw.h"

namespace vulcap::test {
namespace {

using DType = core::DType;
using Types = std::vector<DType>;
using graph::Attributes;
using graph::ValueId;

const Types kFloats{DType::kF32, DType::kF32, DType::kF32, DType::kF16, DType::kF64, DType::kBF16};
const Types kSums{DType::kF32, DType::kF32, DType::kF16, DType::kF64, DType::kBF16, DType::kI64, DType::kI32};
const Types kImages{DType::kF32, DType::kF32, DType::kF16};

Attributes with(const std::string& name, graph::Attribute value) {
  Attributes attributes;
  attributes.set(name, std::move(value));
  return attributes;
}

int64_t axis_drawn(Drawing& d, size_t rank) { return d.between(-int64_t(rank), int64_t(rank) - 1); }

bool reduce(Drawing& d) {
  static const std::vector<std::string> kOps{"ReduceSum", "ReduceMean",      "ReduceMax",
                                             "ReduceMin", "ReduceProd",      "ReduceL1",
                                             "ReduceL2",  "ReduceSumSquare", "ReduceSum"};
  const std::string op = d.pick(kOps);
  const bool selects = op == "ReduceMax" || op == "ReduceMin";
  const ValueId x = d.operand(op == "ReduceMean" || op == "ReduceL2" ? kFloats : kSums);
  if (op == "ReduceProd" && d.tensor(x).size() > 32)
    return false;  // its middle may leave the range of floats
  const size_t rank = d.shape(x).size();
  std::vector<ValueId> operands{x};
  Attributes attributes = with("keepdims", d.between(0, 1));
  if (rank > 0 && d.chance(0.8)) {
    const int64_t first = axis_drawn(d, rank);
    std::vector<int64_t> axes{first};
    if (rank > 1 && d.chance(0.4)) axes.push_back((first + int64_t(rank) + 1) % int64_t(rank));
    operands.push_back(d.ints(axes));
  } else if (d.chance(0.3)) {
    attributes.set("noop_with_empty_axes", int64_t(1));
  }
  return d.add(op, operands, attributes, selects);
}

bool reduce_log(Drawing& d) {
  const ValueId x = d.operand(kFloats, 1);
  const bool sum_exp = d.chance(0.5);
  if (d.tensor(x).size() == 0 || (!sum_exp && !d.all_in(x, 0.01, 1e6))) return false;
  return d.add(sum_exp ? "ReduceLogSumExp" : "ReduceLogSum", {x, d.ints({axis_drawn(d, d.shape(x).size())})});
}

bool softmax(Drawing& d) {
  static const std::vector<std::string> kOps{"Softmax", "LogSoftmax", "Softmax", "Hardmax"};
  const std::string op = d.pick(kOps);
  const ValueId x = d.operand(kFloats, 1);
  if (op == "Hardmax" && !d.exact(x)) return false;
  return d.add(op, {x}, with("axis", axis_drawn(d, d.shape(x).size())));
}

// Rows whose elements are nearly equal make the quotient of a normalisation anything.
bool spread(Drawing& d, ValueId x) {
  const core::Shape& shape = d.shape(x);
  return !shape.empty() && shape.back() > 1 && !d.all_in(x, -0.3, 0.3);
}

bool layer_norm(Drawing& d) {
  const ValueId x = d.operand(kFloats, 1);
  if (!spread(d, x)) return false;
  const core::Shape scale{d.shape(x).back()};
  Attributes attributes = with("epsilon", 0.5f);
  if (d.chance(0.4)) return d.add("RMSNormalization", {x, d.leaf(d.dtype(x), scale)}, attributes);
  std::vector<ValueId> operands{x, d.leaf(d.dtype(x), scale)};
  if (d.chance(0.6)) operands.push_back(d.leaf(d.dtype(x), scale));
  return d.add("LayerNormalization", operands, attributes);
}

bool channel_norm(Drawing& d) {
  const ValueId x = d.operand(kImages, 3);
  if (!spread(d, x)) return false;
  const core::Shape channels{d.shape(x)[1]};
  const ValueId scale = d.leaf(d.dtype(x), channels);
  const ValueId bias = d.leaf(d.dtype(x), channels);
  Attributes attributes = with("epsilon", 0.5f);
  if (d.chance(0.5)) return d.add("InstanceNormalization", {x, scale, bias}, attributes);
  const ValueId mean = d.leaf(d.dtype(x), channels);
  core::Tensor ones(d.dtype(x), channels);
  if (d.dtype(x) == DType::kF16)
    std::fill_n(ones.mutable_as<uint16_t>().data(), ones.size(), uint16_t(0x3c00));
  if (d.dtype(x) == DType::kF32) std::fill_n(ones.mutable_as<float>().data(), ones.size(), 1.0f);
  return d.add("BatchNormalization", {x, scale, bias, mean, d.constant(std::move(ones))}, attributes);
}

bool mat_mul(Drawing& d) {
  const ValueId x = d.operand(kSums, 1);
  const int64_t k = d.shape(x).back();
  core::Shape other{k, d.between(1, 19)};
  if (d.chance(0.2)) other.pop_back();
  if (other.size() == 2 && d.shape(x).size() > 2 && d.chance(0.4)) {
    core::Shape batch(d.shape(x).begin(), d.shape(x).end() - 2);
    if (d.chance(0.3)) batch[0] = 1;
    other.insert(other.begin(), batch.begin(), batch.end());
  }
  return d.add("MatMul", {x, d.leaf(d.dtype(x), other)});
}

bool gemm(Drawing& d) {
  const ValueId x = d.operand(kFloats, 2, 2);
  const bool trans_a = d.chance(0.3);
  const bool trans_b = d.chance(0.5);
  const int64_t k = d.shape(x)[trans_a ? 0 : 1];
  const int64_t n = d.between(1, 17);
  const ValueId b = d.leaf(d.dtype(x), trans_b ? core::Shape{n, k} : core::Shape{k, n});
  std::vector<ValueId> operands{x, b};
  if (d.chance(0.7)) operands.push_back(d.leaf(d.dtype(x), d.chance(0.7) ? core::Shape{n} : core::Shape{1}));
  Attributes attributes = with("transA", int64_t(trans_a));
  attributes.set("transB", int64_t(trans_b));
  if (d.chance(0.3)) attributes.set("alpha", 0.5f);
  if (d.chance(0.3)) attributes.set("beta", 0.25f);
  return d.add("Gemm", operands, attributes);
}

bool einsum(Drawing& d) {
  const int64_t i = d.between(1, 5), j = d.between(1, 5), k = d.between(1, 5), b = d.between(1, 3);
  struct Equation {
    const char* text;
    core::Shape left, right;
  };
  const std::vector<Equation> equations{{"ij,jk->ik", {i, j}, {j, k}},
                                        {"bij,bjk->bik", {b, i, j}, {b, j, k}},
                                        {"bij,bkj->bik", {b, i, j}, {b, k, j}},
                                        {"bi,bj->bij", {b, i}, {b, j}}};
  const Equation& chosen = d.pick(equations);
  const DType dtype = d.pick(kImages);
  const ValueId left = d.leaf(dtype, chosen.left);
  return d.add("Einsum", {left, d.leaf(dtype, chosen.right)}, with("equation", std::string(chosen.text)));
}

struct Window {
  std::vector<int64_t> kernel, strides, dilations, pads;
};

Window window_drawn(Drawing& d, size_t spatial) {
  Window w;
  for (size_t i = 0; i < spatial; ++i) {
    w.kernel.push_back(d.between(1, 3));
    w.strides.push_back(d.between(1, 2));
    w.dilations.push_back(d.chance(0.2) ? 2 : 1);
  }
  for (size_t i = 0; i < 2 * spatial; ++i) w.pads.push_back(d.between(0, w.kernel[i % spatial] - 1));
  return w;
}

Attributes attributes_of(const Window& w, bool with_dilations) {
  Attributes attributes = with("kernel_shape", w.kernel);
  attributes.set("strides", w.strides);
  attributes.set("pads", w.pads);
  if (with_dilations) attributes.set("dilations", w.dilations);
  return attributes;
}

ValueId image(Drawing& d, size_t spatial, int64_t channels) {
  const auto suits = [&](ValueId id) {
    const core::Shape& shape = d.shape(id);
    return shape.size() == spatial + 2 && shape[1] == channels && d.dtype(id) == DType::kF32;
  };
  if (const auto found = d.existing(suits)) return *found;
  core::Shape shape{d.between(1, 2), channels};
  for (size_t i = 0; i < spatial; ++i) shape.push_back(d.between(3, 9));
  return d.leaf(d.pick(kImages), shape);
}

bool conv(Drawing& d) {
  const auto spatial = size_t(d.between(1, 3));
  const int64_t groups = d.chance(0.3) ? 2 : 1;
  const int64_t channels = groups * d.between(1, 2);
  const int64_t filters = groups * d.between(1, 3);
  const ValueId x = image(d, spatial, channels);
  const Window w = window_drawn(d, spatial);
  const bool transposed = d.chance(0.25);
  core::Shape weight{transposed ? channels : filters, (transposed ? filters : channels) / groups};
  weight.insert(weight.end(), w.kernel.begin(), w.kernel.end());
  std::vector<ValueId> operands{x, d.leaf(d.dtype(x), weight)};
  if (d.chance(0.5)) operands.push_back(d.leaf(d.dtype(x), {filters}));
  Attributes attributes = attributes_of(w, true);
  attributes.set("group", groups);
  return d.add(transposed ? "ConvTranspose" : "Conv", operands, attributes);
}

bool pool(Drawing& d) {
  const auto spatial = size_t(d.between(1, 3));
  const ValueId x = image(d, spatial, d.between(1, 3));
  const Window w = window_drawn(d, spatial);
  if (d.chance(0.2)) return d.add(d.chance(0.5) ? "GlobalAveragePool" : "GlobalMaxPool", {x});
  const bool average = d.chance(0.5);
  Attributes attributes = attributes_of(w, true);
  if (d.chance(0.3)) attributes.set("ceil_mode", int64_t(1));
  if (average && d.chance(0.4)) attributes.set("count_include_pad", int64_t(1));
  return d.add(average ? "AveragePool" : "MaxPool", {x}, attributes, !average);
}

bool resize(Drawing& d) {
  static const std::vector<std::string> kModes{"nearest", "linear", "linear"};
  static const std::vector<std::string> kTransforms{"half_pixel", "asymmetric", "align_corners",
                                                    "pytorch_half_pixel"};
  const ValueId x = image(d, 2, d.between(1, 3));
  std::vector<int64_t> sizes = d.shape(x);
  sizes[2] = d.between(1, 12);
  sizes[3] = d.between(1, 12);
  Attributes attributes = with("mode", d.pick(kModes));
  attributes.set("coordinate_transformation_mode", d.pick(kTransforms));
  return d.add("Resize", {x, graph::kNoValue, graph::kNoValue, d.ints(sizes)}, attributes);
}

bool quantise(Drawing& d) {
  const ValueId x = d.operand({DType::kF32});
  const bool is_signed = d.chance(0.5);
  const ValueId scale = d.scalar(DType::kF32, 0.25);
  const ValueId zero = d.scalar(is_signed ? DType::kI8 : DType::kU8, double(d.between(0, 9)));
  return d.exact(x) && d.add("QuantizeLinear", {x, scale, zero}, {}, true);
}

bool dequantise(Drawing& d) {
  const ValueId x = d.operand({DType::kU8, DType::kI8});
  return d.add("DequantizeLinear",
               {x, d.scalar(DType::kF32, 0.25), d.scalar(d.dtype(x), double(d.between(0, 9)))}, {}, true);
}

bool mat_mul_integer(Drawing& d) {
  const ValueId x = d.operand({DType::kU8, DType::kI8}, 2, 3);
  const ValueId b = d.leaf(d.chance(0.5) ? DType::kU8 : DType::kI8, {d.shape(x).back(), d.between(1, 9)});
  return d.add("MatMulInteger", {x, b, d.scalar(d.dtype(x), 2), d.scalar(d.dtype(b), 1)});
}

}  // namespace

std::vector<Template> compute_templates() {
  return {reduce, reduce, reduce_log, softmax, layer_norm, channel_norm, mat_mul,    mat_mul,        gemm,
          einsum, conv,   conv,       pool,    resize,     quantise,     dequantise, mat_mul_integer};
}

}  // namespace vulcap::test
