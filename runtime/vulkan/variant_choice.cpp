#include "runtime/vulkan/variant_choice.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "runtime/vulkan/merge_axes.h"
#include "shaders/abi.h"

namespace vulcap::vulkan {
namespace {

using core::DType;

constexpr uint32_t kMaxGroups = 65535;  // the smallest maxComputeWorkGroupCount that Vulkan allows
constexpr uint64_t kMaxRounds = 65000;
constexpr uint32_t kLocalX = 10, kLocalY = 11, kOneSubgroup = 9;

uint32_t divide_up(uint64_t a, uint64_t b) { return uint32_t((a + b - 1) / b); }

bool software(const DeviceCaps& caps) { return caps.type == DeviceType::kCpu; }

const shaders::ShaderModule* find_module(std::string_view name) {
  const auto all = shaders::modules();
  const auto found = std::lower_bound(all.begin(), all.end(), name,
                                      [](const auto& m, std::string_view n) { return m.name < n; });
  return found != all.end() && found->name == name ? &*found : nullptr;
}

// The tag of axis S or W; empty when shaders have no such type.
std::string_view tag(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kF16:
      return "f16";
    case DType::kI32:
      return "i32";
    case DType::kI64:
      return "i64";
    case DType::kBool:
    case DType::kU8:
      return "u8";
    default:
      return "";
  }
}

// What is being chosen: the call, the device and the result so far.
struct Chooser {
  const ops::KernelCall& call;
  const DeviceCaps& caps;
  VariantChoice choice{};

  Dispatch& dispatch() { return choice.dispatch; }
  void constant(uint32_t id, uint32_t value) { dispatch().constants.push_back({id, value}); }

  // False, with the refusal set, when no such module exists or the device cannot run it.
  bool module(std::string name) {
    const shaders::ShaderModule* found = find_module(name);
    if (found == nullptr) {
      choice.refusal = "no shader variant for " + std::string(core::dtype_name(call.variant.storage)) +
                       (call.variant.second == DType::kUndefined
                            ? ""
                            : " with " + std::string(core::dtype_name(call.variant.second)));
    } else if (found->needs_16bit_storage && !caps.storage_16bit) {
      choice.refusal = "the device has no 16-bit storage";
    } else if (found->needs_8bit_storage && !caps.storage_8bit) {
      choice.refusal = "the device has no 8-bit storage";
    } else if (found->needs_int64 && !caps.int64) {
      choice.refusal = "the device has no 64-bit integers";
    } else if (found->needs_subgroup_arithmetic && !caps.subgroup_arithmetic) {
      choice.refusal = "the device has no subgroup arithmetic";
    }
    dispatch().module = found;
    return choice.refusal.empty();
  }
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
bool aligned_bindings(const ops::KernelCall& call) {
  return std::all_of(call.bindings.begin(), call.bindings.end(),
                     [](const ops::Binding& b) { return b.offset % 8 == 0; });
}

void choose_unary(Chooser& c) {
  const auto& p = c.call.params_as<abi::UnaryParams>();
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

void choose_cast(Chooser& c) {
  // In the order of the constants in cast.comp.
  constexpr DType kDestinations[] = {DType::kF32, DType::kF16,  DType::kI32,
                                     DType::kI64, DType::kBool, DType::kU8};
  const auto* to = std::find(std::begin(kDestinations), std::end(kDestinations), c.call.variant.second);
  if (to == std::end(kDestinations)) {
    c.choice.refusal =
        "no shader variant that casts to " + std::string(core::dtype_name(c.call.variant.second));
    return;
  }
  if (!c.module_by_storage()) return;
  c.constant(0, uint32_t(to - kDestinations));
  c.flat(c.call.params_as<abi::CastParams>().n);
}

void choose_softmax(Chooser& c) {
  const auto& p = c.call.params_as<abi::SoftmaxParams>();
  if (!c.module_by_storage()) return;
  c.row_groups(p.rows, p.cols);
  c.loop_rounds(3 * divide_up(p.cols, c.caps.subgroup_size));
}

void choose_layer_norm(Chooser& c) {
  const auto& p = c.call.params_as<abi::LayerNormParams>();
  if (!c.module_by_storage()) return;
  c.constant(0, p.flags);
  c.row_groups(p.rows, p.cols);
  c.loop_rounds(3 * divide_up(p.cols, c.caps.subgroup_size));
}

void choose_reduce(Chooser& c) {
  const auto& p = c.call.params_as<abi::ReduceParams>();
  if (!c.module_by_storage()) return;
  const bool shared = p.inner == 1 || p.reduce >= 4096;
  c.constant(0, p.op);
  c.constant(1, shared);
  const uint64_t outputs = uint64_t(p.outer) * p.inner;
  c.row_groups(outputs, p.reduce);
  if (!shared) c.spread(divide_up(outputs, c.dispatch().constants.back().value));
  c.loop_rounds(2 * divide_up(p.reduce, shared ? c.caps.subgroup_size : 1));
}

void choose_im2col(Chooser& c) {
  const auto& p = c.call.params_as<abi::Im2colParams>();
  if (!c.module_by_storage()) return;
  c.flat(uint64_t(p.batch) * p.out_h * p.out_w * p.channels * p.kernel_h * p.kernel_w);
}

// The most keys that a call can see: those that fit between two heads or batches of k.
uint64_t most_keys(const ops::KernelCall& call, const abi::AttentionParams& p) {
  if (!call.uses_state || p.k_s == 0) return p.kv_len;
  uint64_t elements = call.bindings[1].size * 8 / core::dtype_bits(call.variant.storage);
  for (uint32_t stride : {p.k_h, p.k_b}) {
    if (stride > p.k_s) elements = std::min<uint64_t>(elements, stride);
  }
  return elements / p.k_s;
}

void choose_attention(Chooser& c) {
  constexpr uint32_t kMaxPairs = 32;  // running sums that a lane can keep in registers
  const auto& p = c.call.params_as<abi::AttentionParams>();
  if (!c.module_by_storage()) return;
  const uint32_t lanes = c.caps.subgroup_size;
  const uint32_t lane_pairs = divide_up(std::max(p.v_dim, 1u), 2 * lanes);
  uint32_t rows = p.q_len >= 4 ? 8 : 1;
  while (rows > 1 && rows * lane_pairs > kMaxPairs) rows /= 2;
  const uint32_t all = p.head_dim | p.v_dim | p.q_offset | p.q_b | p.q_h | p.q_s | p.k_offset | p.k_b |
                       p.k_h | p.k_s | p.v_offset | p.v_b | p.v_h | p.v_s | p.o_b | p.o_h | p.o_s;
  c.constant(0, p.flags);
  c.constant(1, rows);
  c.constant(2, lane_pairs);
  c.constant(3, c.call.uses_state);
  c.constant(4, all % 2 == 0 && p.head_dim > 0 && aligned_bindings(c.call));
  c.constant(5, lanes);
  c.constant(kLocalX, lanes);
  if (p.heads > kMaxGroups || p.batch > kMaxGroups)
    c.choice.refusal = "more heads or batches than a dispatch can have";
  c.dispatch().groups = {divide_up(p.q_len, rows), p.v_dim == 0 ? 0u : p.heads, p.batch};
  const uint64_t blocks = divide_up(p.head_dim, 2 * lanes);
  c.loop_rounds(divide_up(most_keys(c.call, p), lanes) * (1 + blocks * (1 + lanes) + lanes) +
                rows * lane_pairs);
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
  constexpr uint32_t kInvocations = 256, kColumns = 64;
  const bool trans = (p.flags & abi::kMatmulTransB) != 0;
  c.constant(2, p.m <= 1 ? 1 : p.m <= 4 ? 4 : 8);
  const uint32_t columns = trans ? kInvocations / c.caps.subgroup_size : kColumns;
  c.dispatch().groups = {divide_up(p.n, columns), p.m == 0 ? 0u : 1u, p.batch};
}

void choose_matmul(Chooser& c) {
  const auto& p = c.call.params_as<abi::MatmulParams>();
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
    c.dispatch().groups = {divide_up(p.n, 64), divide_up(p.m, 64), p.batch};
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
    {"im2col", choose_im2col},
};

}  // namespace

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
