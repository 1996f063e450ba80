// ConvTranspose-22 as a convolution of the input, its pixels `stride` apart among zeros, with the kernel
// turned round. DeformConv-22 as columns read at shifted places, times the weights.
#include <algorithm>

#include "runtime/ops/conv.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

core::Shape spatial_of(const core::Shape& image) { return {image.begin() + 2, image.end()}; }

struct Transposed {
  core::Shape kernel, stride, dilation, pad_begin, pad_end, out;
};

core::Shape list(const Attributes& attributes, std::string_view name, size_t rank, int64_t fill) {
  auto values = attributes.integers(name);
  if (values.empty()) values.assign(rank, fill);
  if (values.size() != rank)
    throw core::Error(core::ErrorCode::kInvalidModel, std::string(name) + " needs a number a spatial axis");
  return values;
}

// Pads from output_shape, or the output's size from pads.
void place(const Attributes& attributes, Transposed& t, const core::Shape& image) {
  const size_t rank = t.kernel.size();
  const core::Shape extra = list(attributes, "output_padding", rank, 0),
                    wanted = attributes.integers("output_shape");
  const std::string auto_pad = attributes.text("auto_pad", "NOTSET");
  const core::Shape pads =
      auto_pad == "NOTSET" ? list(attributes, "pads", 2 * rank, 0) : core::Shape(2 * rank, 0);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t full = t.stride[i] * (image[2 + i] - 1) + extra[i] + (t.kernel[i] - 1) * t.dilation[i] + 1;
    const bool same = auto_pad.starts_with("SAME");
    if (wanted.empty() && !same) {
      t.pad_begin.push_back(pads[i]);
      t.pad_end.push_back(pads[i + rank]);
    } else {
      const int64_t out = !wanted.empty() ? wanted[wanted.size() - rank + i] : image[2 + i] * t.stride[i];
      const int64_t total = std::max<int64_t>(0, full - out);
      t.pad_begin.push_back(auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2);
      t.pad_end.push_back(full - out - t.pad_begin.back());
    }
    t.out.push_back(full - t.pad_begin[i] - t.pad_end[i]);
    if (t.out[i] < 0) throw core::Error(core::ErrorCode::kInvalidModel, "pads are larger than the output");
  }
}

Transposed read_transposed(const Attributes& attributes, const core::Shape& image,
                           const core::Shape& weight) {
  Transposed t;
  t.kernel = spatial_of(weight);
  t.stride = list(attributes, "strides", t.kernel.size(), 1);
  t.dilation = list(attributes, "dilations", t.kernel.size(), 1);
  if (std::min(*std::min_element(t.stride.begin(), t.stride.end()),
               *std::min_element(t.dilation.begin(), t.dilation.end())) < 1)
    throw core::Error(core::ErrorCode::kInvalidModel, "strides and dilations must be positive");
  place(attributes, t, image);
  return t;
}

void infer_conv_transpose(InferContext& c) {
  const core::Shape image = known_shape(c, 0), weight = known_shape(c, 1);
  const int64_t group = c.attributes().integer("group", 1);
  c.same_dtype(0, 1);
  if (image.size() < 3 || image.size() > 5 || weight.size() != image.size())
    c.fail("only convolutions over one to three spatial axes are supported, the input has shape " +
           core::shape_text(image));
  if (group < 1 || weight[0] != image[1] || image[1] % group != 0)
    c.fail("weight " + core::shape_text(weight) + " does not fit " + std::to_string(image[1]) + " channels");
  const Transposed t = read_transposed(c.attributes(), image, weight);
  SymShape to{Dim(image[0]), Dim(weight[1] * group)};
  for (int64_t size : t.out) to.emplace_back(size);
  if (c.has(2) && !(c.shape(2) == SymShape{to[1]}))
    c.fail("bias " + core::shape_text(c.shape(2)) + " does not fit");
  c.set(0, c.dtype(0), std::move(to));
}

// [in, out / group, k...] as [out, in / group, k...], each kernel back to front.
ValueId turned_weight(LowerContext& c, int64_t group) {
  const core::Shape from = c.shape(1);
  const int64_t in = from[0] / group, out = from[1];
  const auto taps = int64_t(core::element_count(spatial_of(from)));
  core::Shape to = from;
  to[0] = out * group;
  to[1] = in;
  const ValueId turned = c.temp(c.dtype(1), to);
  StridedCopy copy{{group, out, in, taps}, {in * out * taps, taps, out * taps, -1}, {}};
  copy.in_offset = taps - 1;
  copy.out_strides = row_major_strides(copy.shape);
  emit_copy(c, c.in(1), turned, copy);
  return turned;
}

// x with stride - 1 zeros between neighbours along each axis.
ValueId spread(LowerContext& c, const core::Shape& stride) {
  const core::Shape from = c.shape(0);
  core::Shape to = from;
  for (size_t i = 0; i < stride.size(); ++i)
    to[2 + i] = std::max<int64_t>(0, (from[2 + i] - 1) * stride[i] + 1);
  if (to == from) return c.in(0);
  const ValueId wide = c.temp(c.dtype(0), to);
  const uint32_t n = narrow(int64_t(core::element_count(to)));
  c.emit("fill", {c.dtype(0), {}}, abi::FillParams{n, 0, 0}, {c.write(wide)}, {n, 1, 1});
  StridedCopy copy{from, row_major_strides(from), row_major_strides(to)};
  for (size_t i = 0; i < stride.size(); ++i) copy.out_strides[2 + i] *= stride[i];
  emit_copy(c, c.in(0), wide, copy);
  return wide;
}

void lower_conv_transpose(LowerContext& c) {
  const Transposed t = read_transposed(c.attributes(), c.shape(0), c.shape(1));
  const int64_t group = c.attributes().integer("group", 1);
  const ValueId x = spread(c, t.stride);
  const core::Shape image = c.static_shape(x);
  Window w;
  w.rank = t.kernel.size();
  for (size_t i = 0; i < w.rank; ++i) {
    const size_t axis = 3 - w.rank + i;
    w.in[axis] = image[2 + i];
    w.out[axis] = t.out[i];
    w.kernel[axis] = t.kernel[i];
    w.dilation[axis] = t.dilation[i];
    w.pad_begin[axis] = (t.kernel[i] - 1) * t.dilation[i] - t.pad_begin[i];
    w.pad_end[axis] = w.out[axis] - w.in[axis] - w.pad_begin[axis] + (t.kernel[i] - 1) * t.dilation[i];
  }
  const ConvOperands operands{x, turned_weight(c, group), c.has(2) ? c.in(2) : graph::kNoValue, c.out(0)};
  emit_conv(c, operands, w, group);
}

// ---- DeformConv ----
Window deform_window(const Attributes& attributes, const core::Shape& image, const core::Shape& weight) {
  return read_window(attributes, spatial_of(weight), spatial_of(image));
}

void infer_deform_conv(InferContext& c) {
  const core::Shape image = known_shape(c, 0), weight = known_shape(c, 1);
  const int64_t group = c.attributes().integer("group", 1),
                shifts = c.attributes().integer("offset_group", 1);
  if (image.size() != 4 || weight.size() != 4) c.fail("only two spatial axes are supported");
  if (group < 1 || weight[1] * group != image[1] || weight[0] % group != 0)
    c.fail("weight " + core::shape_text(weight) + " does not fit " + std::to_string(image[1]) + " channels");
  if (shifts < 1 || image[1] % shifts != 0) c.fail("offset_group does not divide the channels");
  const Window w = deform_window(c.attributes(), image, weight);
  const SymShape offset{Dim(image[0]), Dim(shifts * w.taps() * 2), Dim(w.out[1]), Dim(w.out[2])};
  const SymShape mask{Dim(image[0]), Dim(shifts * w.taps()), Dim(w.out[1]), Dim(w.out[2])};
  if (!(c.shape(2) == offset))
    c.fail("offset " + core::shape_text(c.shape(2)) + " should be " + core::shape_text(offset));
  if (c.has(4) && !(c.shape(4) == mask))
    c.fail("mask " + core::shape_text(c.shape(4)) + " should be " + core::shape_text(mask));
  c.set(0, c.dtype(0), {Dim(image[0]), Dim(weight[0]), Dim(w.out[1]), Dim(w.out[2])});
}

void lower_deform_conv(LowerContext& c) {
  const core::Shape image = c.shape(0), weight = c.shape(1);
  const Window w = deform_window(c.attributes(), image, weight);
  abi::DeformParams p{};
  p.batch = narrow(image[0]);
  p.channels = narrow(image[1]);
  p.offset_groups = narrow(c.attributes().integer("offset_group", 1));
  p.masked = c.has(4);
  for (size_t i = 0; i < 2; ++i) {
    p.in_shape[i] = uint32_t(w.in[1 + i]);
    p.out_shape[i] = uint32_t(w.out[1 + i]);
    p.kernel[i] = uint32_t(w.kernel[1 + i]);
    p.stride[i] = uint32_t(w.stride[1 + i]);
    p.dilation[i] = uint32_t(w.dilation[1 + i]);
    p.pad[i] = int32_t(w.pad_begin[1 + i]);
  }
  const int64_t rows = image[1] * w.taps();
  const ValueId columns = c.temp(c.dtype(0), {image[0], rows, w.positions()});
  c.emit("deform", {c.dtype(0), {}}, p,
         {c.read(c.in(0)), c.read(c.in(2)), c.read(c.has(4) ? c.in(4) : c.in(2)), c.write(columns)},
         {narrow(image[0] * rows * w.positions()), 1, 1});
  Window point;
  point.rank = 1;
  point.in[2] = point.out[2] = w.positions();
  const ValueId matrix = c.temp(c.dtype(1), {weight[0], weight[1] * w.taps(), 1});
  c.alias(matrix, c.in(1));
  emit_conv(c, {columns, matrix, c.has(3) ? c.in(3) : graph::kNoValue, c.out(0)}, point,
            c.attributes().integer("group", 1));
}

}  // namespace

void register_conv_transpose(OpRegistry& registry) {
  registry.add({"ConvTranspose", "", infer_conv_transpose, lower_conv_transpose});
  registry.add({"DeformConv", "", infer_deform_conv, lower_deform_conv});
}

}  // namespace vulcap::ops
