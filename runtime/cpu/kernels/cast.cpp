#include <algorithm>

#include "runtime/cpu/cast_elements.h"
#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/cast.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

template <typename From, typename To>
void convert(const CpuArgs& args) {
  const From* x = args.ptr<From>(0);
  To* y = args.ptr<To>(1);
  const size_t n = args.call().params_as<abi::CastParams>().n;
  parallel_range(args.pool, (n + kLanes - 1) / kLanes, kLanes * 6, [&](size_t begin, size_t end) {
    for (size_t i = begin * kLanes; i < std::min(n, end * kLanes); i += kLanes) {
      store_some(load_some(x + i, n - i), y + i, n - i);
    }
  });
}

void cast(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF32) return convert<float, hwy::float16_t>(args);
  convert<hwy::float16_t, float>(args);
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(cast);

namespace {

void run_cast(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(cast)(args); }

bool accepts_cast(const ops::KernelCall& call) {
  const auto [from, to] = call.variant;
  return (from == core::DType::kF32 && to == core::DType::kF16) ||
         (from == core::DType::kF16 && to == core::DType::kF32);
}

}  // namespace

void cpu_kernel_cast(CpuRegistry& registry) {
  registry.add("cast", {run_cast, accepts_cast, nullptr});
  registry.add("cast", {run_cast_elements, accepts_cast_elements, nullptr});
}

}  // namespace vulcap::cpu
#endif
