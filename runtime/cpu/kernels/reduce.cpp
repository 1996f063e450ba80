#include <algorithm>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/reduce.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

// Sum or mean over the last axis.
template <typename T>
void reduce_rows(const T* x, T* y, size_t count, float scale) {
  VFloat sum = hn::Zero(kFloats);
  for (size_t i = 0; i < count; i += kLanes) sum = hn::Add(sum, load_some(x + i, count - i));
  store_some(hn::Mul(hn::SumOfLanes(kFloats, sum), set(scale)), y, 1);
}

// Sum or mean over an axis with `inner` values behind it.
template <typename T>
void reduce_columns(const T* x, T* y, size_t count, size_t inner, float scale) {
  for (size_t i = 0; i < inner; i += kLanes) {
    VFloat sum = hn::Zero(kFloats);
    for (size_t r = 0; r < count; ++r) sum = hn::Add(sum, load_some(x + r * inner + i, inner - i));
    store_some(hn::Mul(sum, set(scale)), y + i, inner - i);
  }
}

template <typename T>
void reduce_values(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::ReduceParams>();
  const T* x = args.ptr<T>(0);
  T* y = args.ptr<T>(1);
  const float scale = p.op == abi::kReduceMean ? 1.0f / float(p.reduce) : 1.0f;
  const size_t block = size_t(p.reduce) * p.inner;
  parallel_range(args.pool, p.outer, block * sizeof(T), [&](size_t begin, size_t end) {
    for (size_t o = begin; o < end; ++o) {
      if (p.inner == 1) {
        reduce_rows(x + o * block, y + o, p.reduce, scale);
      } else {
        reduce_columns(x + o * block, y + o * p.inner, p.reduce, p.inner, scale);
      }
    }
  });
}

void reduce(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return reduce_values<hwy::float16_t>(args);
  reduce_values<float>(args);
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(reduce);

namespace {

void run_reduce(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(reduce)(args); }

bool accepts_reduce(const ops::KernelCall& call) {
  const auto& p = call.params_as<abi::ReduceParams>();
  const auto storage = call.variant.storage;
  if (storage != core::DType::kF32 && storage != core::DType::kF16) return false;
  return p.reduce > 0 && (p.op == abi::kReduceSum || p.op == abi::kReduceMean);
}

}  // namespace

void cpu_kernel_reduce(CpuRegistry& registry) {
  registry.add("reduce", {run_reduce, accepts_reduce, nullptr});
}

}  // namespace vulcap::cpu
#endif
