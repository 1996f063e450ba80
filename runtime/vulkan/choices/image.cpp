// Choices for the kernels that move windows over images, resize and normalise them, and recurrent cells.
#include "runtime/vulkan/chooser.h"

namespace vulcap::vulkan {
namespace {

uint64_t volume(const uint32_t (&shape)[3]) { return uint64_t(shape[0]) * shape[1] * shape[2]; }

}  // namespace

void choose_im2col(Chooser& c) {
  const auto& p = c.call.params_as<abi::Im2colParams>();
  if (!c.module_by_storage()) return;
  c.flat(p.batch * p.channels * volume(p.out_shape) * volume(p.kernel));
}

void choose_conv(Chooser& c) {
  const auto& p = c.call.params_as<abi::ConvParams>();
  if (!c.module_by_storage()) return;
  c.constant(0, p.flags);
  c.constant(1, p.act);
  c.constant(2, p.kernel[1]);
  c.constant(3, p.kernel[2]);
  c.flat(uint64_t(p.batch) * p.groups * p.out_channels * volume(p.out_shape));
  const uint64_t lines = uint64_t(p.in_channels) * p.kernel[0];
  c.loop_rounds(lines * (1 + p.kernel[1] * (1 + p.kernel[2])) + p.in_channels);
}

void choose_pool(Chooser& c) {
  const auto& p = c.call.params_as<abi::PoolParams>();
  if (!c.module_by_storage()) return;
  c.constant(0, p.op);
  c.constant(1, p.flags);
  c.flat(p.planes * volume(p.out_shape));
  c.loop_rounds(volume(p.kernel));
}

void choose_resize(Chooser& c) {
  const auto& p = c.call.params_as<abi::ResizeParams>();
  if (!c.module_by_storage()) return;
  c.flat(uint64_t(p.outer) * p.out_size * p.inner);
  c.loop_rounds(p.taps);
}

void choose_deform(Chooser& c) {
  const auto& p = c.call.params_as<abi::DeformParams>();
  if (!c.module_by_storage()) return;
  c.flat(uint64_t(p.batch) * p.channels * p.kernel[0] * p.kernel[1] * p.out_shape[0] * p.out_shape[1]);
}

void choose_cell(Chooser& c) {
  const auto& p = c.call.params_as<abi::CellParams>();
  if (!c.module_by_storage()) return;
  c.constant(0, p.kind);
  c.constant(1, p.flags);
  c.flat(uint64_t(p.batch) * p.hidden);
}

void choose_layer_norm(Chooser& c) {
  const auto& p = c.call.params_as<abi::LayerNormParams>();
  if (!c.module_by_storage()) return;
  c.constant(0, p.flags);
  c.row_groups(p.rows, p.cols);
  c.loop_rounds(3 * divide_up(p.cols, c.caps.subgroup_size));
}

void choose_softmax(Chooser& c) {
  const auto& p = c.call.params_as<abi::SoftmaxParams>();
  if (!c.module_by_storage()) return;
  c.row_groups(p.rows, p.cols);
  c.loop_rounds(3 * divide_up(p.cols, c.caps.subgroup_size));
}

}  // namespace vulcap::vulkan
