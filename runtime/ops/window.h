// Sliding windows over one to three spatial axes, as convolutions and pools move them.
#pragma once

#include <array>

#include "runtime/ops/op_registry.h"

namespace vulcap::ops {

// Axes are depth, height, width; fewer lie at the end and the others have size 1.
struct Window {
  size_t rank = 0;
  std::array<int64_t, 3> in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1};
  std::array<int64_t, 3> pad_begin{}, pad_end{};

  int64_t positions() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  // The output's spatial sizes, `rank` of them.
  core::Shape out_sizes() const { return {out.end() - int64_t(rank), out.end()}; }
};

// The window of attributes strides, dilations, pads, auto_pad and ceil_mode over an image of these spatial
// sizes; throws Error(kInvalidModel) where they do not fit.
Window read_window(const Attributes& attributes, const core::Shape& kernel, const core::Shape& spatial);

// Numbers of dims that must be known; the message names what they are of.
core::Shape known_shape(const InferContext& context, size_t input);

// Copies the window into the parameters that im2col, conv and pool share.
template <typename Params>
void set_window(Params& p, const Window& w) {
  for (size_t i = 0; i < 3; ++i) {
    p.in_shape[i] = uint32_t(w.in[i]);
    p.out_shape[i] = uint32_t(w.out[i]);
    p.kernel[i] = uint32_t(w.kernel[i]);
    p.stride[i] = uint32_t(w.stride[i]);
    p.dilation[i] = uint32_t(w.dilation[i]);
    p.pad[i] = int32_t(w.pad_begin[i]);
  }
}

}  // namespace vulcap::ops
