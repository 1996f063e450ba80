// Kernel calls: the plain data that an operator lowers to and that both executors run (rule R2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/dtype.h"

namespace vulcap::ops {

// Where a binding's bytes live. `index` counts within the kind.
enum class BufferKind : uint8_t {
  kArena,     // activations; offset is planned
  kConstant,  // a weight or folded constant of the plan
  kExternal,  // a graph input or output, bound when the plan is built
  kState,     // uint32 words read by kernels with _dyn parameters
};

struct Binding {
  BufferKind kind = BufferKind::kArena;
  uint32_t index = 0;
  uint64_t offset = 0;  // bytes, a multiple of 256 for arena bindings
  uint64_t size = 0;    // bytes
  bool written = false;
  int32_t value = -1;  // graph value it stands for, for reports
};

// How a constant operand wants to be laid out; a property of the weight buffer, not of the graph (rule R3).
enum class WeightLayout : uint8_t {
  kPlain,     // row-major as stored
  kMatmulKN,  // matmul B operand stored [k, n]; an executor may pack it
  kMatmulNK,  // matmul B operand stored [n, k]; an executor may pack it
  kBlocks,    // 4- or 8-bit numbers in blocks along k; an executor may pack it
};

inline constexpr size_t kMaxParamBytes = 128;
inline constexpr size_t kMaxBindings = 8;

// dtypes that pick a kernel's variant; unused ones stay kUndefined.
//   storage: activations (matmul, layer_norm, attention, unary, binary, ...) or the element for
//   copy/gather/fill (any of that size) second:  matmul: dtype of B · gather: dtype of the indices · cast:
//   destination · binary, compare: output
struct Variant {
  core::DType storage = core::DType::kUndefined;
  core::DType second = core::DType::kUndefined;
  bool operator==(const Variant&) const = default;
};

struct KernelCall {
  uint16_t kernel = 0;  // index into the kernel registry
  Variant variant;
  bool uses_state = false;  // a kState binding is the last one
  uint8_t param_bytes = 0;
  alignas(8) std::array<std::byte, kMaxParamBytes> params{};
  std::vector<Binding> bindings;          // in the order abi.h gives
  std::array<uint32_t, 3> work{1, 1, 1};  // output items: see KernelDef::work
  int32_t node = -1;                      // graph node it came from, for reports

  template <typename P>
  const P& params_as() const {
    static_assert(sizeof(P) <= kMaxParamBytes);
    return *reinterpret_cast<const P*>(params.data());
  }
  template <typename P>
  void set_params(const P& value) {
    static_assert(sizeof(P) <= kMaxParamBytes);
    std::memcpy(params.data(), &value, sizeof(P));
    param_bytes = sizeof(P);
  }
};

// What a kernel sees when it runs on the host: one pointer a binding, already at its offset.
struct KernelArgs {
  const KernelCall& call;
  std::span<std::byte* const> buffers;
  const uint32_t* state;  // state[0]: positions in the key/value cache

  template <typename T>
  T* ptr(size_t binding) const {
    return reinterpret_cast<T*>(buffers[binding]);
  }
  size_t bytes(size_t binding) const { return call.bindings[binding].size; }
};

using ReferenceFn = void (*)(const KernelArgs&);

// One kernel: its name (also the stem of its shader), the size of its parameter struct and its scalar
// reference.
struct KernelDef {
  std::string_view name;
  size_t param_bytes = 0;
  ReferenceFn reference = nullptr;
};

// All kernels in a fixed order. Index 0 is valid; names are unique.
std::span<const KernelDef> kernels();
// Index of a kernel by name; asserts that it exists.
uint16_t kernel_index(std::string_view name);

}  // namespace vulcap::ops
