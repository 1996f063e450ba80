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
void other_values(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::UnaryParams>();
  const VFloat alpha = set(p.alpha), beta = set(p.beta), one = set(1.0f);
  switch (p.op) {
    case unary_rows::kLog:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return logarithm(x); });
    case unary_rows::kFloor:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return hn::Floor(x); });
    case unary_rows::kCeil:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return hn::Ceil(x); });
    case unary_rows::kRound:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return hn::Round(x); });
    case unary_rows::kSin:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return sine(x); });
    case unary_rows::kCos:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return cosine(x); });
    case unary_rows::kSign:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return sign(x); });
    case unary_rows::kSoftplus:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return softplus(x); });
    case unary_rows::kMish:
      return map_values<T>(args, [](VFloat x) HWY_ATTR { return hn::Mul(x, tanh(softplus(x))); });
    case unary_rows::kSoftsign:
      return map_values<T>(args, [one](VFloat x) HWY_ATTR { return hn::Div(x, hn::Add(one, hn::Abs(x))); });
    case unary_rows::kElu:
      return map_values<T>(args, [=](VFloat x) HWY_ATTR { return elu(x, alpha, one); });
    case unary_rows::kCelu:
      return map_values<T>(args, [=](VFloat x) HWY_ATTR { return elu(x, alpha, hn::Div(one, alpha)); });
    case unary_rows::kSelu:
      return map_values<T>(args, [=](VFloat x) HWY_ATTR { return hn::Mul(beta, elu(x, alpha, one)); });
    case unary_rows::kHardSigmoid:
      return map_values<T>(args,
                           [=](VFloat x) HWY_ATTR { return unit_interval(hn::MulAdd(alpha, x, beta)); });
    case unary_rows::kHardSwish:
      return map_values<T>(args, [](VFloat x) HWY_ATTR {
        return hn::Mul(x, unit_interval(hn::MulAdd(x, set(1.0f / 6.0f), set(0.5f))));
      });
    case unary_rows::kLeakyRelu:
      return map_values<T>(args, [=](VFloat x) HWY_ATTR {
        return hn::IfThenElse(hn::Lt(x, set(0.0f)), hn::Mul(alpha, x), x);
      });
    default:
      return;
  }
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
      return other_values<T>(args);
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
  static constexpr uint32_t kFast[] = {
      kIdentity, kNeg,  kAbs,   kSqrt,     kReciprocal,  kExp,       kErf,      kTanh,
      kSigmoid,  kRelu, kGelu,  kGeluTanh, kQuickGelu,   kSilu,      kClip,     kLog,
      kFloor,    kCeil, kRound, kSin,      kCos,         kSign,      kSoftplus, kMish,
      kSoftsign, kElu,  kCelu,  kSelu,     kHardSigmoid, kHardSwish, kLeakyRelu};
  const auto storage = call.variant.storage;
  if (storage != core::DType::kF32 && storage != core::DType::kF16) return false;
  return std::find(std::begin(kFast), std::end(kFast), call.params_as<abi::UnaryParams>().op) !=
         std::end(kFast);
}

// The other rows: the reference on ranges.
void run_reference_in_parallel(const CpuArgs& args) {
  const ops::KernelCall& call = args.call();
  const size_t bytes = core::dtype_bits(call.variant.storage) / 8;
  const auto reference = ops::kernels()[call.kernel].reference;
  auto params = call.params_as<abi::UnaryParams>();
  parallel_range(args.pool, params.n, 256, [&](size_t begin, size_t end) {
    abi::UnaryParams part = params;
    part.n = uint32_t(end - begin);
    ops::KernelCall range = call;
    range.set_params(part);
    std::byte* const buffers[] = {args.ptr<std::byte>(0) + begin * bytes,
                                  args.ptr<std::byte>(1) + begin * bytes};
    reference({range, buffers, nullptr});
  });
}

}  // namespace

void cpu_kernel_unary(CpuRegistry& registry) {
  registry.add("unary", {run_unary, accepts_unary, nullptr});
  registry.add("unary", {run_reference_in_parallel, has_whole_bytes, nullptr});
}

}  // namespace vulcap::cpu
#endif
