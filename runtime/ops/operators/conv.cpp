// Conv-11 over two spatial axes as patches times weights, and vulcap.Patches, the patch matrix alone.
#include <algorithm>

#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

struct Window {
  int64_t kernel[2], stride[2], dilation[2], pad_begin[2], pad_end[2];
};

Window read_window(const Attributes& attributes, const std::vector<int64_t>& kernel,
                   const core::Shape& image) {
  Window w{};
  const auto strides = attributes.integers("strides", {1, 1});
  const auto dilations = attributes.integers("dilations", {1, 1});
  const auto pads = attributes.integers("pads", {0, 0, 0, 0});
  if (kernel.size() != 2 || strides.size() != 2 || dilations.size() != 2 || pads.size() != 4) {
    throw core::Error(core::ErrorCode::kInvalidModel,
                      "only convolutions over two spatial axes are supported");
  }
  const std::string auto_pad = attributes.text("auto_pad", "NOTSET");
  for (size_t i = 0; i < 2; ++i) {
    w.kernel[i] = kernel[i];
    w.stride[i] = strides[i];
    w.dilation[i] = dilations[i];
    w.pad_begin[i] = pads[i];
    w.pad_end[i] = pads[i + 2];
    if (w.stride[i] <= 0 || w.dilation[i] <= 0 || w.kernel[i] <= 0) {
      throw core::Error(core::ErrorCode::kInvalidModel, "kernel, strides and dilations must be positive");
    }
    if (auto_pad == "VALID") w.pad_begin[i] = w.pad_end[i] = 0;
    if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
      const int64_t size = image[2 + i];
      const int64_t out = (size + w.stride[i] - 1) / w.stride[i];
      const int64_t total =
          std::max<int64_t>(0, (out - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] + 1 - size);
      w.pad_begin[i] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      w.pad_end[i] = total - w.pad_begin[i];
    }
  }
  return w;
}

int64_t out_size(const Window& w, size_t axis, int64_t size) {
  const int64_t reach =
      size + w.pad_begin[axis] + w.pad_end[axis] - (w.kernel[axis] - 1) * w.dilation[axis] - 1;
  if (reach < 0)
    throw core::Error(core::ErrorCode::kInvalidModel, "the kernel is larger than the padded image");
  return reach / w.stride[axis] + 1;
}

core::Shape image_shape(InferContext& c) {
  core::Shape image;
  for (const Dim& dim : c.shape(0)) {
    if (!dim.is_constant()) c.fail("the image size " + dim.text() + " must be known");
    image.push_back(dim.value());
  }
  if (image.size() != 4)
    c.fail("only convolutions over two spatial axes are supported, the input has shape " +
           core::shape_text(image));
  return image;
}

void infer_conv(InferContext& c) {
  const core::Shape image = image_shape(c);
  const SymShape& weight = c.shape(1);
  const int64_t group = c.attributes().integer("group", 1);
  if (weight.size() != 4 || !core::is_static(weight))
    c.fail("the weight must be [out, in / group, height, width]");
  if (group < 1 || weight[1].value() * group != image[1] || weight[0].value() % group != 0) {
    c.fail("weight " + core::shape_text(weight) + " does not fit " + std::to_string(image[1]) +
           " channels in " + std::to_string(group) + " groups");
  }
  if (c.has(2) && !(c.shape(2) == SymShape{weight[0]})) {
    c.fail("bias " + core::shape_text(c.shape(2)) + " does not fit " + weight[0].text() + " channels");
  }
  const auto kernel = c.attributes().integers("kernel_shape", {weight[2].value(), weight[3].value()});
  if (kernel != std::vector<int64_t>{weight[2].value(), weight[3].value()}) {
    c.fail("kernel_shape differs from the weight " + core::shape_text(weight));
  }
  const Window w = read_window(c.attributes(), {weight[2].value(), weight[3].value()}, image);
  c.set(0, c.dtype(0),
        {Dim(image[0]), weight[0], Dim(out_size(w, 0, image[2])), Dim(out_size(w, 1, image[3]))});
}

abi::Im2colParams patch_params(const core::Shape& image, const Window& w, int64_t channels) {
  abi::Im2colParams p{};
  p.batch = narrow(image[0]);
  p.channels = narrow(channels);
  p.in_h = narrow(image[2]);
  p.in_w = narrow(image[3]);
  p.out_h = narrow(out_size(w, 0, image[2]));
  p.out_w = narrow(out_size(w, 1, image[3]));
  p.kernel_h = narrow(w.kernel[0]);
  p.kernel_w = narrow(w.kernel[1]);
  p.stride_h = narrow(w.stride[0]);
  p.stride_w = narrow(w.stride[1]);
  p.pad_top = narrow(w.pad_begin[0]);
  p.pad_left = narrow(w.pad_begin[1]);
  p.dilation_h = narrow(w.dilation[0]);
  p.dilation_w = narrow(w.dilation[1]);
  p.channel_stride = narrow(image[1]);
  return p;
}

void emit_patches(LowerContext& c, ValueId out, const abi::Im2colParams& p) {
  const uint32_t n = p.batch * p.out_h * p.out_w * p.channels * p.kernel_h * p.kernel_w;
  c.emit("im2col", {c.dtype(0), {}}, p, {c.read(c.in(0)), c.write(out)}, {n, 1, 1});
}

// C[b, o, p] = sum_k weight[o, k] * patches[b, p, k] + bias[o]
void emit_product(LowerContext& c, const abi::Im2colParams& patches, ValueId columns, int64_t group_index,
                  ValueId bias, ValueId out) {
  const core::Shape to = c.static_shape(out);
  abi::MatmulParams p{};
  p.m = narrow(to[1]);
  p.n = patches.out_h * patches.out_w;
  p.k = patches.channels * patches.kernel_h * patches.kernel_w;
  p.batch = patches.batch;
  p.lda = p.ldb = p.k;
  p.ldc = p.n;
  p.b_batch = p.n * p.k;
  p.c_batch = p.m * p.n;
  p.a_offset = narrow(group_index * to[1] * p.k);
  p.flags = abi::kMatmulTransB | (bias != graph::kNoValue ? abi::kMatmulBias | abi::kMatmulBiasPerRow : 0);
  p.alpha = 1;
  c.emit("matmul", {c.dtype(0), c.dtype(0)}, p,
         {c.read(c.in(1)), c.read(columns), c.read(bias != graph::kNoValue ? bias : c.in(1)), c.read(c.in(1)),
          c.write(out)},
         {p.n, p.m, p.batch});
}

// Groups are multiplied one at a time and copied to their channels.
void lower_conv(LowerContext& c) {
  const core::Shape image = c.shape(0);
  const core::Shape weight = c.shape(1);
  const core::Shape to = c.static_shape(c.out(0));
  const int64_t group = c.attributes().integer("group", 1);
  abi::Im2colParams patches =
      patch_params(image, read_window(c.attributes(), {weight[2], weight[3]}, image), weight[1]);
  const core::Shape columns_shape{image[0], to[2] * to[3], weight[1] * weight[2] * weight[3]};
  if (group == 1) {
    const ValueId columns = c.temp(c.dtype(0), columns_shape);
    emit_patches(c, columns, patches);
    return emit_product(c, patches, columns, 0, c.has(2) ? c.in(2) : graph::kNoValue, c.out(0));
  }
  const int64_t channels = weight[0] / group;
  const core::Shape part_shape{to[0], channels, to[2], to[3]};
  for (int64_t g = 0; g < group; ++g) {
    const ValueId columns = c.temp(c.dtype(0), columns_shape);
    patches.channel_begin = narrow(g * weight[1]);
    emit_patches(c, columns, patches);
    ValueId bias = graph::kNoValue;
    if (c.has(2)) {
      bias = c.temp(c.dtype(0), {channels});
      emit_copy(c, c.in(2), bias, {{channels}, {1}, {1}, g * channels});
    }
    const ValueId part = c.temp(c.dtype(0), part_shape);
    emit_product(c, patches, columns, g, bias, part);
    StridedCopy copy{part_shape, row_major_strides(part_shape), row_major_strides(to)};
    copy.out_offset = g * channels * to[2] * to[3];
    emit_copy(c, part, c.out(0), copy);
  }
}

void infer_patches(InferContext& c) {
  const core::Shape image = image_shape(c);
  const auto kernel = c.attributes().integers("kernel_shape");
  const Window w = read_window(c.attributes(), kernel, image);
  c.set(0, c.dtype(0),
        {Dim(image[0]), Dim(out_size(w, 0, image[2]) * out_size(w, 1, image[3])),
         Dim(image[1] * kernel[0] * kernel[1])});
}

void lower_patches(LowerContext& c) {
  const core::Shape image = c.shape(0);
  const Window w = read_window(c.attributes(), c.attributes().integers("kernel_shape"), image);
  emit_patches(c, c.out(0), patch_params(image, w, image[1]));
}

}  // namespace

void register_conv(OpRegistry& registry) {
  registry.add({"Conv", "", infer_conv, lower_conv});
  registry.add({"Patches", "vulcap", infer_patches, lower_patches});
}

}  // namespace vulcap::ops
