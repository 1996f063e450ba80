#include <algorithm>
#include <iterator>
#include <string_view>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/unary.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

#ifndef VULCAP_CPU_UNARY_ROWS
#define VULCAP_CPU_UNARY_ROWS
namespace vulcap::cpu::unary_rows {

// The indices of elementwise.def by name.
enum : uint32_t {
#define VULCAP_UNARY(index, name, expression) k##name = index,
#include "shaders/elementwise.def"
#undef VULCAP_UNARY
};

}  // namespace vulcap::cpu::unary_rows
#endif

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

template <typename T, typename Function>
HWY_INLINE void map_values(const CpuArgs& args, const Function& function) {
  const T* x = args.ptr<T>(0);
  T* y = args.ptr<T>(1);
  const size_t n = args.call().params_as<abi::UnaryParams>().n;
  parallel_range(args.pool, (n + kLanes - 1) / kLanes, kLanes * sizeof(T) * 2, [&](size_t begin, size_t end) {
    for (size_t i = begin * kLanes; i < std::min(n, end * kLanes); i += kLanes) {
      store_some(function(load_some(x + i, n - i)), y + i, n - i);
    }
  });
}

template <typename T>
void unary_values(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::UnaryParams>();
  const VFloat low = set(p.alpha), high = set(p.beta);
  switch (p.op) {
    case unary_rows::kIdentity:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return x; });
    case unary_rows::kNeg:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return hn::Neg(x); });
    case unary_rows::kAbs:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return hn::Abs(x); });
    case unary_rows::kSqrt:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return hn::Sqrt(x); });
    case unary_rows::kReciprocal:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return hn::Div(set(1.0f), x); });
    case unary_rows::kExp:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return exponential(x); });
    case unary_rows::kErf:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return erf(x); });
    case unary_rows::kTanh:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return tanh(x); });
    case unary_rows::kSigmoid:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return sigmoid(x); });
    case unary_rows::kRelu:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return relu(x); });
    case unary_rows::kGelu:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return gelu(x); });
    case unary_rows::kGeluTanh:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return gelu_tanh(x); });
    case unary_rows::kQuickGelu:
      return map_values<T>(args, [low](VFloat x) HWY_ATTR { return swish(x, low); });
    case unary_rows::kSilu:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return swish(x, set(1.0f)); });
    case unary_rows::kClip:
      return map_values<T>(args, [low, high](VFloat x) HWY_ATTR { return at_most(at_least(x, low), high); });
    default:
      return;
  }
}

void unary(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return unary_values<hwy::float16_t>(args);
  unary_values<float>(args);
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(unary);

namespace {

void run_unary(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(unary)(args); }

bool accepts_unary(const ops::KernelCall& call) {
  using namespace unary_rows;
  static constexpr uint32_t kFast[] = {kIdentity, kNeg,  kAbs,  kSqrt,     kReciprocal, kExp,  kErf, kTanh,
                                       kSigmoid,  kRelu, kGelu, kGeluTanh, kQuickGelu,  kSilu, kClip};
  const auto storage = call.variant.storage;
  if (storage != core::DType::kF32 && storage != core::DType::kF16) return false;
  return std::find(std::begin(kFast), std::end(kFast), call.params_as<abi::UnaryParams>().op) !=
         std::end(kFast);
}

}  // namespace

void cpu_kernel_unary(CpuRegistry& registry) { registry.add("unary", {run_unary, accepts_unary, nullptr}); }

}  // namespace vulcap::cpu
#endif
