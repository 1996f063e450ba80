// Variants of the kernels that move elements by index, pick or accumulate them.
#include "runtime/vulkan/chooser.h"

namespace vulcap::vulkan {
namespace {

// 32-bit words of an index; 0, with the refusal set, for other dtypes.
uint32_t index_words(Chooser& c) {
  if (c.call.variant.second == DType::kI64) return 2;
  if (c.call.variant.second == DType::kI32) return 1;
  c.choice.refusal =
      "no shader variant for " + std::string(core::dtype_name(c.call.variant.second)) + " indices";
  return 0;
}

uint64_t items(const abi::GatherNdParams& p) {
  uint64_t n = 1;
  for (const uint32_t size : p.shape) n *= size;
  return n;
}

// The axis along which several items may name one element: it is walked by one invocation. kMaxRank: none.
uint32_t shared_axis(Chooser& c, const abi::GatherNdParams& p) {
  uint32_t found = abi::kMaxRank;
  for (uint32_t axis = 0; axis < abi::kMaxRank; ++axis) {
    if (p.shape[axis] == 1 || p.x_stride[axis] != 0) continue;
    if (found != abi::kMaxRank) c.choice.refusal = "items along several axes may meet";
    found = axis;
  }
  return found;
}

}  // namespace

void choose_gather_nd(Chooser& c) {
  auto p = c.call.params_as<abi::GatherNdParams>();
  const uint32_t words = index_words(c);
  if (words == 0 || !c.module_by_bytes()) return;
  c.constant(0, words);
  c.constant(1, merge_axes(p.shape, std::array{&p.x_stride, &p.i_stride}));
  c.set_params(p);
  c.flat(items(p));
}

void choose_scatter_nd(Chooser& c) {
  auto p = c.call.params_as<abi::GatherNdParams>();
  const uint32_t words = index_words(c);
  if (words == 0) return;
  const bool set = p.op == abi::kScatterSet;
  const std::string variant = "scatter_nd_reduce.S_" + std::string(tag(c.call.variant.storage));
  if (!(set ? c.module_by_bytes() : c.module(variant))) return;
  c.constant(0, words);
  c.constant(1, merge_axes(p.shape, std::array{&p.x_stride, &p.i_stride}));
  c.set_params(p);
  if (set) return c.flat(items(p));
  const uint32_t axis = shared_axis(c, p);
  const uint32_t rounds = axis == abi::kMaxRank ? 1 : p.shape[axis];
  c.constant(2, axis);
  c.flat(rounds == 0 ? 0 : items(p) / rounds);
  c.loop_rounds(uint64_t(rounds) * (1 + p.depth));
}

void choose_top_k(Chooser& c) {
  const auto& p = c.call.params_as<abi::TopKParams>();
  if (!c.module_by_storage()) return;
  const uint64_t work = uint64_t(p.k) * p.reduce;
  uint32_t lanes = software(c.caps) ? c.caps.subgroup_size : 256;
  while (software(c.caps) && lanes < 64 && work / lanes > kMaxRounds / 2) lanes *= 2;
  lanes = std::min({lanes, 256u, c.caps.max_workgroup_invocations});
  c.constant(0, p.flags);
  c.constant(kLocalX, lanes);
  c.spread(uint64_t(p.outer) * p.inner);
  c.loop_rounds(uint64_t(p.k) * (divide_up(p.reduce, lanes) + lanes + 1));
}

void choose_cumulative(Chooser& c) {
  const auto& p = c.call.params_as<abi::CumulativeParams>();
  if (!c.module_by_storage()) return;
  c.constant(0, p.flags);
  c.flat(uint64_t(p.outer) * p.inner);
  c.loop_rounds(p.reduce);
}

void choose_grid_sample(Chooser& c) {
  const auto& p = c.call.params_as<abi::GridSampleParams>();
  if (!c.module_by_storage()) return;
  c.flat(uint64_t(p.batch) * p.channels * p.out_size[0] * p.out_size[1] * p.out_size[2]);
}

void choose_roi_align(Chooser& c) {
  const auto& p = c.call.params_as<abi::RoiAlignParams>();
  if (!c.module_by_storage()) return;
  c.flat(uint64_t(p.regions) * p.channels * p.out_h * p.out_w);
  const uint64_t samples = p.samples != 0 ? p.samples : uint64_t(std::max(p.in_h, p.in_w));
  c.loop_rounds(5 * samples * samples);
}

void choose_col2im(Chooser& c) {
  const auto& p = c.call.params_as<abi::Col2imParams>();
  if (!c.module_by_storage()) return;
  c.flat(uint64_t(p.batch) * p.channels * p.image[0] * p.image[1] * p.image[2]);
  c.loop_rounds(uint64_t(p.kernel[0]) * p.kernel[1] * p.kernel[2]);
}

void choose_det(Chooser& c) {
  const auto& p = c.call.params_as<abi::DetParams>();
  if (!c.module_by_storage()) return;
  c.flat(p.batch);
  c.loop_rounds(uint64_t(p.n) * p.n * (p.n + 2));
}

namespace {

// One invocation an output. What leaves the integers, or has no integer to start from, is refused.
void choose_reduce_serial(Chooser& c, const abi::ReduceParams& p) {
  const bool real = p.op == abi::kReduceL2 || p.op == abi::kReduceLogSum || p.op == abi::kReduceLogSumExp;
  const bool starts = p.op == abi::kReduceMax || p.op == abi::kReduceMin || p.op == abi::kReduceMean;
  if (!core::dtype_is_float(c.call.variant.storage) && (real || (starts && p.reduce == 0))) {
    c.choice.refusal =
        "no shader variant of this reduction for " + std::string(core::dtype_name(c.call.variant.storage));
    return;
  }
  if (!c.module("reduce_serial.S_" + std::string(tag(c.call.variant.storage)))) return;
  c.constant(0, p.op);
  c.flat(uint64_t(p.outer) * p.inner);
  c.loop_rounds(2 * uint64_t(p.reduce));
}

}  // namespace

void choose_reduce(Chooser& c) {
  const auto& p = c.call.params_as<abi::ReduceParams>();
  if (c.call.variant.storage != DType::kF32 && c.call.variant.storage != DType::kF16)
    return choose_reduce_serial(c, p);
  if (!c.module_by_storage()) return;
  const bool shared = p.inner == 1 || p.reduce >= 4096;
  c.constant(0, p.op);
  c.constant(1, shared);
  const uint64_t outputs = uint64_t(p.outer) * p.inner;
  c.row_groups(outputs, p.reduce);
  if (!shared) c.spread(divide_up(outputs, c.dispatch().constants.back().value));
  c.loop_rounds(2 * divide_up(p.reduce, shared ? c.caps.subgroup_size : 1));
}

}  // namespace vulcap::vulkan
