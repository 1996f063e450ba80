#include "runtime/ops/window.h"

#include <algorithm>

namespace vulcap::ops {
namespace {

[[noreturn]] void fail(const std::string& message) {
  throw core::Error(core::ErrorCode::kInvalidModel, message);
}

std::array<int64_t, 3> right_aligned(const std::vector<int64_t>& values, int64_t fill) {
  std::array<int64_t, 3> result{fill, fill, fill};
  std::copy(values.begin(), values.end(), result.end() - int64_t(values.size()));
  return result;
}

std::array<int64_t, 3> list(const Attributes& attributes, std::string_view name, size_t rank, int64_t fill) {
  auto values = attributes.integers(name);
  if (values.empty()) values.assign(rank, fill);
  if (values.size() != rank) {
    fail(std::string(name) + " has " + std::to_string(values.size()) + " numbers for " +
         std::to_string(rank) + " spatial axes");
  }
  return right_aligned(values, fill);
}

void read_pads(const Attributes& attributes, Window& w) {
  auto pads = attributes.integers("pads");
  if (pads.empty()) pads.assign(2 * w.rank, 0);
  if (pads.size() != 2 * w.rank) fail("pads needs two numbers a spatial axis");
  const auto middle = pads.begin() + int64_t(w.rank);
  w.pad_begin = right_aligned({pads.begin(), middle}, 0);
  w.pad_end = right_aligned({middle, pads.end()}, 0);
}

// Pads under which an axis of size `in` gives ceil(in / stride) outputs.
void same_pads(Window& w, size_t i, bool upper) {
  const int64_t out = (w.in[i] + w.stride[i] - 1) / w.stride[i];
  const int64_t reach = (out - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] + 1;
  const int64_t total = std::max<int64_t>(0, reach - w.in[i]);
  w.pad_begin[i] = upper ? total / 2 : total - total / 2;
  w.pad_end[i] = total - w.pad_begin[i];
}

int64_t out_size(const Window& w, size_t i, bool ceil_mode) {
  const int64_t reach = w.in[i] + w.pad_begin[i] + w.pad_end[i] - (w.kernel[i] - 1) * w.dilation[i] - 1;
  if (reach < 0) fail("the kernel is larger than the padded image");
  const int64_t out = (reach + (ceil_mode ? w.stride[i] - 1 : 0)) / w.stride[i] + 1;
  // A window that would start in the padding behind the image is left out.
  return ceil_mode && (out - 1) * w.stride[i] >= w.in[i] + w.pad_begin[i] ? out - 1 : out;
}

}  // namespace

Window read_window(const Attributes& attributes, const core::Shape& kernel, const core::Shape& spatial) {
  Window w;
  w.rank = spatial.size();
  if (w.rank < 1 || w.rank > 3)
    fail("windows slide over one to three spatial axes, not " + std::to_string(w.rank));
  if (kernel.size() != w.rank)
    fail("kernel_shape " + core::shape_text(kernel) + " does not fit " + core::shape_text(spatial));
  w.in = right_aligned(spatial, 1);
  w.kernel = right_aligned(kernel, 1);
  w.stride = list(attributes, "strides", w.rank, 1);
  w.dilation = list(attributes, "dilations", w.rank, 1);
  const std::string auto_pad = attributes.text("auto_pad", "NOTSET");
  if (auto_pad == "NOTSET") read_pads(attributes, w);
  const bool ceil_mode = attributes.integer("ceil_mode", 0) != 0;
  for (size_t i = 0; i < 3; ++i) {
    if (w.stride[i] <= 0 || w.dilation[i] <= 0 || w.kernel[i] <= 0)
      fail("kernel, strides and dilations must be positive");
    if (auto_pad.starts_with("SAME")) same_pads(w, i, auto_pad == "SAME_UPPER");
    w.out[i] = out_size(w, i, ceil_mode);
  }
  return w;
}

core::Shape known_shape(const InferContext& context, size_t input) {
  core::Shape shape;
  for (const Dim& dim : context.shape(input)) {
    if (!dim.is_constant()) context.fail("the size " + dim.text() + " must be known");
    shape.push_back(dim.value());
  }
  return shape;
}

}  // namespace vulcap::ops
