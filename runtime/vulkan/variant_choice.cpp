#include "runtime/vulkan/variant_choice.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "runtime/vulkan/chooser.h"

namespace vulcap::vulkan {
namespace {

bool has_integer_form(uint32_t unary_row) {
  constexpr uint32_t kRows[] = {
#define VULCAP_INTEGER(index, name, expression) index,
#include "shaders/elementwise.def"
#undef VULCAP_INTEGER
  };
  return std::find(std::begin(kRows), std::end(kRows), unary_row) != std::end(kRows);
}

void choose_unary(Chooser& c) {
  const auto& p = c.call.params_as<abi::UnaryParams>();
  if (core::dtype_is_integer(c.call.variant.storage) && !has_integer_form(p.op)) {
    c.choice.refusal = "no shader variant for a real function of integers";
    return;
  }
  if (!c.module_by_storage()) return;
  c.constant(0, p.op);
  c.flat(p.n);
}

void choose_two_operands(Chooser& c) {
  auto p = c.call.params_as<abi::BinaryParams>();
  c.constant(0, p.op);
  c.constant(1, merge_axes(p.shape, std::array{&p.a_stride, &p.b_stride}));
  c.set_params(p);
  c.flat(p.n);
}

void choose_binary(Chooser& c) {
  if (c.module_by_storage()) choose_two_operands(c);
}

void choose_logic(Chooser& c) {
  if (c.module("logic")) choose_two_operands(c);
}

void choose_where(Chooser& c) {
  if (!c.module_by_bytes()) return;
  auto p = c.call.params_as<abi::WhereParams>();
  c.constant(1, merge_axes(p.shape, std::array{&p.c_stride, &p.a_stride, &p.b_stride}));
  c.set_params(p);
  c.flat(p.n);
}

void choose_copy(Chooser& c) {
  if (!c.module_by_bytes()) return;
  auto p = c.call.params_as<abi::CopyParams>();
  c.constant(0, c.call.uses_state);
  c.constant(1, merge_axes(p.shape, std::array{&p.in_stride, &p.out_stride}));
  c.set_params(p);
  c.flat(p.n);
}

void choose_gather(Chooser& c) {
  if (c.call.variant.second != DType::kI64 && c.call.variant.second != DType::kI32) {
    c.choice.refusal =
        "no shader variant for " + std::string(core::dtype_name(c.call.variant.second)) + " indices";
    return;
  }
  if (!c.module_by_bytes()) return;
  c.constant(0, c.call.variant.second == DType::kI64 ? 2 : 1);
  c.flat(c.call.params_as<abi::GatherParams>().n);
}

void choose_iota(Chooser& c) {
  if (!c.module_by_storage()) return;
  c.constant(0, c.call.uses_state);
  c.flat(c.call.params_as<abi::IotaParams>().n);
}

void choose_fill(Chooser& c) {
  if (c.module_by_bytes()) c.flat(c.call.params_as<abi::FillParams>().n);
}

// In the order of the constants in lib/small.glsl.
constexpr DType kSmallFormats[] = {DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ,
                                   DType::kF4E2M1,   DType::kF8E8M0,     DType::kU4,     DType::kI4,
                                   DType::kU2,       DType::kI2};

std::optional<uint32_t> small_format(DType dtype) {
  const auto* found = std::find(std::begin(kSmallFormats), std::end(kSmallFormats), dtype);
  return found == std::end(kSmallFormats) ? std::nullopt
                                          : std::optional<uint32_t>(uint32_t(found - kSmallFormats));
}

void choose_cast_to_small(Chooser& c, uint32_t format) {
  const auto& p = c.call.params_as<abi::CastParams>();
  if (!c.module("cast_to_small.S_" + std::string(tag(c.call.variant.storage)))) return;
  c.constant(0, p.flags);
  c.constant(1, format);
  c.flat(core::dtype_bytes(c.call.variant.second, p.n));
}

void choose_cast(Chooser& c) {
  const auto [from, to] = c.call.variant;
  if (const auto format = small_format(to)) return choose_cast_to_small(c, *format);
  // In the order of the constants in lib/cast.glsl.
  constexpr DType kDestinations[] = {DType::kF32,  DType::kF16, DType::kI32, DType::kI64,
                                     DType::kBool, DType::kU8,  DType::kI8,  DType::kI16,
                                     DType::kU16,  DType::kU32, DType::kU64, DType::kBF16};
  const auto* found = std::find(std::begin(kDestinations), std::end(kDestinations), to);
  const auto small = small_format(from);
  const std::string variant = to == DType::kF64 ? "cast.D_f64.S_" : "cast.D_common.S_";
  if (found == std::end(kDestinations) && (to != DType::kF64 || small)) {
    c.choice.refusal = "no shader variant that casts to " + std::string(core::dtype_name(to));
    return;
  }
  const std::string from_small =
      core::dtype_is_float(from) ? "cast_from_small.F_real" : "cast_from_small.F_integer";
  if (!c.module(small ? from_small : variant + std::string(tag(from)))) return;
  if (to != DType::kF64) c.constant(0, uint32_t(found - kDestinations));
  if (small) c.constant(1, *small);
  c.flat(c.call.params_as<abi::CastParams>().n);
}

// Whether the register kernel may load and store two elements at once: see matmul.comp.
bool matmul_in_pairs(const ops::KernelCall& call, const abi::MatmulParams& p) {
  uint32_t all = p.k | p.n | p.lda | p.ldb | p.ldc | p.a_offset | p.c_column;
  if (p.batch > 1) all |= p.a_batch | p.b_batch | p.c_batch;
  return all % 2 == 0 && p.k >= 2 && p.n >= 2 && aligned_bindings(call);
}

void choose_matmul_registers(Chooser& c, const abi::MatmulParams& p) {
  const uint32_t cols = p.m == 1 ? 8 : 4;
  constexpr uint64_t kSmallProduct = 32u << 20;  // multiply-adds
  const uint32_t lanes = c.caps.subgroup_size;
  // A larger tile runs faster and compiles longer: for small products the compiler's time counts.
  const bool small = uint64_t(p.m) * p.n * p.k < kSmallProduct;
  const uint32_t rows = p.m == 1 ? 1 : p.m <= 4 ? 4 : small ? 8 : 16;
  c.constant(2, rows);
  c.constant(3, cols);
  c.constant(4, lanes);
  c.constant(5, matmul_in_pairs(c.call, p));
  c.constant(kLocalX, lanes);
  c.dispatch().groups = {divide_up(p.n, cols * lanes), divide_up(p.m, rows), p.batch};
  c.loop_rounds(uint64_t(divide_up(p.k, 2 * lanes)) * (1 + lanes) + rows * cols / 2);
}

void choose_matmul_vector(Chooser& c, const abi::MatmulParams& p) {
  const bool trans = (p.flags & abi::kMatmulTransB) != 0;
  // Along n, many rows of the workgroup: a column's k is read in few rounds, each of which waits for memory.
  const uint32_t x = trans ? 64 : 32;
  const uint32_t y = trans ? 4 : std::min(c.caps.max_workgroup_invocations, 1024u) / x;
  c.constant(2, p.m <= 1 ? 1 : p.m <= 4 ? 4 : 8);
  c.constant(3, x);
  c.constant(4, y);
  c.constant(kLocalX, x);
  c.constant(kLocalY, y);
  const uint32_t columns = trans ? x * y / c.caps.subgroup_size : x;
  c.dispatch().groups = {divide_up(p.n, columns), p.m == 0 ? 0u : 1u, p.batch};
}

// Small tiles where large ones would leave multiprocessors idle.
void choose_matmul_tiled(Chooser& c, const abi::MatmulParams& p) {
  constexpr uint64_t kBusy = 512;  // workgroups
  const uint32_t block = uint64_t(divide_up(p.n, 64)) * divide_up(p.m, 64) * p.batch >= kBusy ? 4 : 2;
  c.constant(2, block);
  c.dispatch().groups = {divide_up(p.n, 16 * block), divide_up(p.m, 16 * block), p.batch};
}

// What models seldom multiply: f64, and integers of 32 and 64 bits, whose signs make no difference.
std::string plain_matmul(DType dtype) {
  if (dtype == DType::kF64) return "matmul_any.S_f64";
  if (dtype == DType::kI64 || dtype == DType::kU64) return "matmul_any.S_i64";
  return dtype == DType::kI32 || dtype == DType::kU32 ? "matmul_any.S_i32" : "";
}

bool choose_plain_matmul(Chooser& c, const abi::MatmulParams& p) {
  const auto [dtype, second] = c.call.variant;
  const std::string module = plain_matmul(dtype);
  const bool scaled = p.alpha != 1 && dtype != DType::kF64;
  if (module.empty() || dtype != second || scaled || p.act != abi::kActNone || !c.module(module))
    return false;
  c.constant(0, p.flags);
  c.flat(uint64_t(p.batch) * p.m * p.n);
  c.loop_rounds(p.k);
  return true;
}

void choose_matmul(Chooser& c) {
  const auto& p = c.call.params_as<abi::MatmulParams>();
  if (choose_plain_matmul(c, p) || !c.choice.refusal.empty()) return;
  const std::string variant =
      ".S_" + std::string(tag(c.call.variant.storage)) + ".W_" + std::string(tag(c.call.variant.second));
  const bool registers = software(c.caps) && c.caps.subgroup_arithmetic && c.caps.int64 && p.k > 0;
  const bool vector = !registers && p.m <= 8 && c.caps.subgroup_arithmetic;
  if (!registers && c.caps.max_workgroup_invocations < 256) {
    c.choice.refusal = "the device's workgroups have less than 256 invocations";
    return;
  }
  if (!c.module((registers ? "matmul" : vector ? "matmul_vec" : "matmul_tiled") + variant)) return;
  c.constant(0, p.flags);
  c.constant(1, p.act);
  if (registers) {
    choose_matmul_registers(c, p);
  } else if (vector) {
    choose_matmul_vector(c, p);
  } else {
    choose_matmul_tiled(c, p);
  }
  const auto& groups = c.dispatch().groups;
  if (groups[1] > kMaxGroups || groups[2] > kMaxGroups)
    c.choice.refusal = "more rows or batches than a dispatch can have";
}

struct Row {
  std::string_view kernel;
  void (*choose)(Chooser&);
};

constexpr Row kRows[] = {
    {"unary", choose_unary},
    {"binary", choose_binary},
    {"compare", choose_binary},
    {"logic", choose_logic},
    {"where", choose_where},
    {"copy", choose_copy},
    {"gather", choose_gather},
    {"iota", choose_iota},
    {"fill", choose_fill},
    {"cast", choose_cast},
    {"matmul", choose_matmul},
    {"softmax", choose_softmax},
    {"layer_norm", choose_layer_norm},
    {"reduce", choose_reduce},
    {"attention", choose_attention},
    {"kv_update", choose_kv_update},
    {"linear_attention", choose_linear_attention},
    {"rotary", choose_rotary},
    {"im2col", choose_im2col},
    {"gather_nd", choose_gather_nd},
    {"scatter_nd", choose_scatter_nd},
    {"top_k", choose_top_k},
    {"cumulative", choose_cumulative},
    {"grid_sample", choose_grid_sample},
    {"roi_align", choose_roi_align},
    {"col2im", choose_col2im},
    {"det", choose_det},
    {"quantize", choose_quantize},
    {"dequantize", choose_dequantize},
    {"quantize_range", choose_quantize_range},
    {"matmul_integer", choose_matmul_integer},
    {"matmul_quantized", choose_matmul_quantized},
    {"conv", choose_conv},
    {"pool", choose_pool},
    {"resize", choose_resize},
    {"deform", choose_deform},
    {"cell", choose_cell},
};

}  // namespace

const ops::KernelDef* kernel_of_shader(std::string_view shader) {
  const ops::KernelDef* found = nullptr;
  for (const ops::KernelDef& kernel : ops::kernels()) {
    const bool fits = shader == kernel.name || shader.starts_with(std::string(kernel.name) + "_");
    if (fits && (found == nullptr || kernel.name.size() > found->name.size())) found = &kernel;
  }
  return found;
}

VariantChoice choose_variant(const ops::KernelCall& call, const DeviceCaps& caps) {
  Chooser chooser{call, caps};
  const std::string_view kernel = ops::kernels()[call.kernel].name;
  const auto* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.kernel == kernel; });
  if (row == std::end(kRows)) {
    chooser.choice.refusal = "no shader implements it";
    return chooser.choice;
  }
  chooser.dispatch().params = call.params;
  row->choose(chooser);
  return chooser.choice;
}

}  // namespace vulcap::vulkan
