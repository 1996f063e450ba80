// Kernels on quantised numbers.
#include "runtime/vulkan/chooser.h"

namespace vulcap::vulkan {
namespace {

bool small_integer(DType dtype) { return core::dtype_is_integer(dtype) && core::dtype_bits(dtype) <= 16; }

// As in lib/quantised.glsl; 0: integers.
uint32_t format_of(DType dtype) {
  constexpr DType kFormats[] = {DType::kF8E4M3FN, DType::kF8E5M2, DType::kF4E2M1};
  for (uint32_t i = 0; i < std::size(kFormats); ++i) {
    if (kFormats[i] == dtype) return i + 1;
  }
  return 0;
}

void refuse_dtype(Chooser& c, DType dtype) {
  c.choice.refusal = "no shader variant for " + std::string(core::dtype_name(dtype));
}

bool scale_fits(Chooser& c, DType scale) {
  if (scale == DType::kF32 || scale == DType::kF16) return true;
  c.choice.refusal = "no shader variant for scales of " + std::string(core::dtype_name(scale));
  return false;
}

// The constants that quantize and dequantize share; `number` is the dtype of the integers.
bool choose_numbers(Chooser& c, DType real, DType number) {
  const auto& p = c.call.params_as<abi::QuantizeParams>();
  const DType scale = DType(p.scale_type);
  if (!scale_fits(c, scale)) return false;
  const std::string stem(ops::kernels()[c.call.kernel].name);
  if (!c.module(stem + ".S_" + std::string(tag(real)))) return false;
  if (!c.caps.storage_8bit || !c.caps.storage_16bit) {
    c.choice.refusal = "the device has no 8-bit and 16-bit storage";
    return false;
  }
  c.constant(0, uint32_t(core::dtype_bits(number)));
  c.constant(1, core::dtype_is_signed(number));
  c.constant(2, (p.flags & abi::kQuantizeZero) != 0);
  c.constant(3, scale == DType::kF16);
  c.constant(5, format_of(number));
  c.constant(4, p.axis_stride == 0 && p.outer_stride == 0 && p.inner_stride == 0);
  return true;
}

bool words(uint64_t elements, const ops::Binding& binding) {
  return elements % 4 == 0 && binding.offset % 4 == 0;
}

uint32_t rows_of_lane(uint32_t m) { return m <= 1 ? 1 : m <= 4 ? 4 : 8; }

// One subgroup a workgroup, four columns a lane.
void tile_groups(Chooser& c, uint32_t m, uint32_t n, uint32_t batch) {
  const uint32_t lanes = c.caps.subgroup_size, rows = rows_of_lane(m);
  c.constant(2, rows);
  c.constant(7, lanes);
  c.constant(kLocalX, lanes);
  c.dispatch().groups = {divide_up(n, 4 * lanes), divide_up(m, rows), batch};
  if (c.dispatch().groups[1] > kMaxGroups || batch > kMaxGroups)
    c.choice.refusal = "more rows or batches than a dispatch can have";
}

// Subgroups that share out k, so that a GPU with few rows to compute still has enough reads in flight. Their
// sums lie in shared memory, of which a device has 16 KiB at least.
uint32_t splits_of(const DeviceCaps& caps, uint32_t m, uint32_t k) {
  if (software(caps) || m > 4) return 1;
  const uint32_t lanes = caps.subgroup_size;
  const uint32_t most = std::min({4096 / (4 * lanes * rows_of_lane(m)),
                                  caps.max_workgroup_invocations / lanes, divide_up(k, 4 * lanes), 16u});
  return std::max(most, 1u);
}

// Weights are read four at a time where four neighbours of a column share a scale and lie in one word.
uint32_t reading_of(const ops::KernelCall& call, const abi::MatmulQuantizedParams& p) {
  constexpr uint32_t kSingly = 0, kAlongK = 1, kAlongN = 2;
  const bool one_scale = p.block % 4 == 0 || p.block >= p.k;
  const bool whole_words = call.bindings[1].size % 4 == 0 && call.bindings[1].offset % 4 == 0;
  if (!one_scale || !whole_words || (p.flags & abi::kWeightFlatBlocks) != 0) return kSingly;
  if (p.b_k == 1 && p.b_n % 4 == 0) return kAlongK;
  return p.b_n == 1 && p.b_k % 4 == 0 && p.n % 4 == 0 && p.n >= 4 ? kAlongN : kSingly;
}

}  // namespace

void choose_quantize(Chooser& c) {
  const auto [from, to] = c.call.variant;
  const bool in_range = (c.call.params_as<abi::QuantizeParams>().flags & abi::kQuantizeKeepRange) == 0;
  if (!small_integer(to) && (format_of(to) == 0 || !in_range)) return refuse_dtype(c, to);
  if (!choose_numbers(c, from, to)) return;
  const uint32_t n = c.call.params_as<abi::QuantizeParams>().n;
  const size_t bits = core::dtype_bits(to);
  c.flat(bits < 8 ? divide_up(n, 8 / bits) : n);
}

void choose_dequantize(Chooser& c) {
  const auto [from, to] = c.call.variant;
  if (!small_integer(from) && from != DType::kI32 && format_of(from) == 0) return refuse_dtype(c, from);
  if (choose_numbers(c, to, from)) c.flat(c.call.params_as<abi::QuantizeParams>().n);
}

void choose_quantize_range(Chooser& c) {
  if (!c.module("quantize_range")) return;
  const uint32_t lanes = c.caps.subgroup_size;
  c.constant(kLocalX, lanes);
  c.dispatch().groups = {1, 1, 1};
  c.loop_rounds(divide_up(c.call.params_as<abi::QuantizeRangeParams>().n, lanes));
}

void choose_matmul_integer(Chooser& c) {
  const auto& p = c.call.params_as<abi::MatmulIntegerParams>();
  if (!c.module("matmul_integer")) return;
  c.constant(0, p.flags);
  c.constant(1, p.act);
  c.constant(3, c.call.variant.storage == DType::kI8);
  c.constant(4, c.call.variant.second == DType::kI8);
  const auto& bindings = c.call.bindings;
  c.constant(5, words(p.lda | p.a_offset | (p.batch > 1 ? p.a_batch : 0) | bindings[0].size, bindings[0]));
  c.constant(6, words(p.ldb | (p.batch > 1 ? p.b_batch : 0) | bindings[1].size, bindings[1]));
  tile_groups(c, p.m, p.n, p.batch);
  const uint32_t lanes = c.caps.subgroup_size;
  c.loop_rounds(uint64_t(divide_up(p.k, 4 * lanes)) * (1 + lanes) + rows_of_lane(p.m) * 4);
}

void choose_matmul_quantized(Chooser& c) {
  const auto& p = c.call.params_as<abi::MatmulQuantizedParams>();
  if (!scale_fits(c, DType(p.scale_type)) || !c.module_by_storage()) return;
  if (!c.caps.storage_8bit || !c.caps.storage_16bit) {
    c.choice.refusal = "the device has no 8-bit and 16-bit storage";
    return;
  }
  const uint32_t reading = reading_of(c.call, p);
  c.constant(0, p.flags);
  c.constant(1, p.act);
  c.constant(3, p.bits);
  c.constant(4, reading);
  c.constant(5, DType(p.scale_type) == DType::kF16);
  tile_groups(c, p.m, p.n, 1);
  const uint32_t splits = splits_of(c.caps, p.m, p.k);
  c.constant(8, splits);
  c.constant(kLocalY, splits);
  const uint32_t lanes = c.caps.subgroup_size;
  c.loop_rounds(uint64_t(divide_up(p.k, 4 * lanes)) * (1 + lanes * (reading == 0 ? 17 : 1)) +
                rows_of_lane(p.m) * 4);
}

}  // namespace vulcap::vulkan
