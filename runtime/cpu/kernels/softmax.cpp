#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/softmax.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

// The largest of x; a NaN may be passed over, it comes back through the sum.
template <typename T>
HWY_INLINE float largest_of(const T* x, size_t count) {
  VFloat most = set(-std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) most = hn::Max(load(x + i), most);
  float largest = hn::GetLane(hn::MaxOfLanes(kFloats, most));
  HWY_ALIGN float lanes[kLanes];
  store(load_some(x + i, count - i), lanes);
  for (size_t lane = 0; i + lane < count; ++lane) largest = std::max(largest, lanes[lane]);
  return largest;
}

template <typename T>
HWY_INLINE float sum_of_exponentials(const T* x, size_t count, float largest) {
  VFloat sum = hn::Zero(kFloats);
  for (size_t i = 0; i < count; i += kLanes) {
    const VFloat value = exponential(hn::Sub(load_some(x + i, count - i), set(largest)));
    const auto inside = hn::FirstN(kFloats, std::min(kLanes, count - i));
    sum = hn::Add(sum, hn::IfThenElseZero(inside, value));
  }
  return hn::GetLane(hn::SumOfLanes(kFloats, sum));
}

template <typename T>
void softmax_row(const T* x, T* y, size_t count, bool log_output) {
  const float largest = largest_of(x, count), sum = sum_of_exponentials(x, count, largest);
  const VFloat inverse = set(1.0f / sum), shift = set(std::log(sum)), most = set(largest);
  for (size_t i = 0; i < count; i += kLanes) {
    const VFloat value = hn::Sub(load_some(x + i, count - i), most);
    const VFloat result = log_output ? hn::Sub(value, shift) : hn::Mul(exponential(value), inverse);
    store_some(result, y + i, count - i);
  }
}

template <typename T>
void softmax_rows(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::SoftmaxParams>();
  if (p.cols == 0) return;
  const T* x = args.ptr<T>(0);
  T* y = args.ptr<T>(1);
  parallel_range(args.pool, p.rows, size_t(p.cols) * sizeof(T) * 2, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      softmax_row(x + row * p.cols, y + row * p.cols, p.cols, p.log_output != 0);
    }
  });
}

void softmax(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return softmax_rows<hwy::float16_t>(args);
  softmax_rows<float>(args);
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(softmax);

namespace {

void run_softmax(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(softmax)(args); }

bool accepts_softmax(const ops::KernelCall& call) {
  return call.variant.storage == core::DType::kF32 || call.variant.storage == core::DType::kF16;
}

}  // namespace

void cpu_kernel_softmax(CpuRegistry& registry) {
  registry.add("softmax", {run_softmax, accepts_softmax, nullptr});
}

}  // namespace vulcap::cpu
#endif
