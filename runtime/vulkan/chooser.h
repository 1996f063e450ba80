// What a kernel's choice of shader variant works with: the call, the device and the dispatch so far.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>

#include "runtime/vulkan/merge_axes.h"
#include "runtime/vulkan/variant_choice.h"
#include "shaders/abi.h"

namespace vulcap::vulkan {

using core::DType;

inline constexpr uint32_t kMaxGroups = 65535;  // the smallest maxComputeWorkGroupCount that Vulkan allows
inline constexpr uint64_t kMaxRounds = 65000;
inline constexpr uint32_t kLocalX = 10, kLocalY = 11, kOneSubgroup = 9;

inline uint32_t divide_up(uint64_t a, uint64_t b) { return uint32_t((a + b - 1) / b); }

inline bool software(const DeviceCaps& caps) { return caps.type == DeviceType::kCpu; }

// The tag of axis S or W; empty when shaders have no such type.
std::string_view tag(DType dtype);

struct Chooser {
  const ops::KernelCall& call;
  const DeviceCaps& caps;
  VariantChoice choice{};

  Dispatch& dispatch() { return choice.dispatch; }
  void constant(uint32_t id, uint32_t value) { dispatch().constants.push_back({id, value}); }

  // False, with the refusal set, when no such module exists or the device cannot run it.
  bool module(const std::string& name);
  bool module_by_storage() {
    return module(std::string(ops::kernels()[call.kernel].name) + ".S_" +
                  std::string(tag(call.variant.storage)));
  }
  bool module_by_bytes() {
    const size_t bytes = core::dtype_bits(call.variant.storage) / 8;
    return module(std::string(ops::kernels()[call.kernel].name) + ".E_b" + std::to_string(bytes));
  }

  void spread(uint64_t groups) {
    const uint32_t y = std::max<uint32_t>(1, divide_up(groups, kMaxGroups));
    if (y > kMaxGroups) choice.refusal = "more items than a dispatch can have";
    dispatch().groups = {groups == 0 ? 0 : divide_up(groups, y), y, 1};
  }
  // One invocation an item.
  void flat(uint64_t items) {
    const uint32_t local = software(caps) ? 64 : 256;
    constant(kLocalX, std::min(local, caps.max_workgroup_invocations));
    spread(divide_up(items, local));
  }
  // One workgroup a row of `cols` elements.
  void row_groups(uint64_t rows, uint64_t cols) {
    const bool one = software(caps) || cols <= caps.subgroup_size * 4u;
    const uint32_t local = one ? caps.subgroup_size : std::min(256u, caps.max_workgroup_invocations);
    constant(kOneSubgroup, one);
    constant(kLocalX, local);
    spread(rows);
  }
  // Mesa's llvmpipe up to 22 ends an invocation's loops quietly after 65535 rounds in all.
  void loop_rounds(uint64_t rounds) {
    if (!software(caps) || rounds <= kMaxRounds) return;
    choice.refusal = "its " + std::to_string(rounds) + " loop rounds are more than software renderers run (" +
                     std::to_string(kMaxRounds) + ")";
  }
  template <typename P>
  void set_params(const P& params) {
    std::memcpy(dispatch().params.data(), &params, sizeof(P));
  }
};

// Whether pairs of elements can be read from the start of every binding.
inline bool aligned_bindings(const ops::KernelCall& call) {
  return std::all_of(call.bindings.begin(), call.bindings.end(),
                     [](const ops::Binding& b) { return b.offset % 8 == 0; });
}

// Kernels of attention.
void choose_attention(Chooser& c);
void choose_kv_update(Chooser& c);
void choose_linear_attention(Chooser& c);
void choose_rotary(Chooser& c);
// Kernels that move elements by index, pick or accumulate them.
void choose_gather_nd(Chooser& c);
void choose_scatter_nd(Chooser& c);
void choose_top_k(Chooser& c);
void choose_cumulative(Chooser& c);
void choose_grid_sample(Chooser& c);
void choose_roi_align(Chooser& c);
void choose_col2im(Chooser& c);
void choose_det(Chooser& c);
void choose_reduce(Chooser& c);
// Kernels on quantised numbers.
void choose_quantize(Chooser& c);
void choose_dequantize(Chooser& c);
void choose_quantize_range(Chooser& c);
void choose_matmul_integer(Chooser& c);
void choose_matmul_quantized(Chooser& c);

// Kernels that move windows over images, resize and normalise them, and recurrent cells.
void choose_im2col(Chooser& c);
void choose_conv(Chooser& c);
void choose_pool(Chooser& c);
void choose_resize(Chooser& c);
void choose_deform(Chooser& c);
void choose_cell(Chooser& c);
void choose_layer_norm(Chooser& c);
void choose_softmax(Chooser& c);

}  // namespace vulcap::vulkan
