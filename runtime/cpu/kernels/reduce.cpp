#include <algorithm>
#include <limits>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/reduce.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

// How the elements of one reduction are combined; NaN stays.
template <uint32_t kOp>
HWY_INLINE VFloat combine(VFloat sum, VFloat x) {
  if constexpr (kOp == abi::kReduceMax) return hn::IfThenElse(hn::Or(hn::IsNaN(sum), hn::Gt(sum, x)), sum, x);
  if constexpr (kOp == abi::kReduceMin) return hn::IfThenElse(hn::Or(hn::IsNaN(sum), hn::Lt(sum, x)), sum, x);
  if constexpr (kOp == abi::kReduceProd) return hn::Mul(sum, x);
  if constexpr (kOp == abi::kReduceL1) return hn::Add(sum, hn::Abs(x));
  if constexpr (kOp == abi::kReduceSumSquare) return hn::MulAdd(x, x, sum);
  return hn::Add(sum, x);
}

template <uint32_t kOp>
constexpr float start_value() {
  if constexpr (kOp == abi::kReduceMax) return -std::numeric_limits<float>::infinity();
  if constexpr (kOp == abi::kReduceMin) return std::numeric_limits<float>::infinity();
  return kOp == abi::kReduceProd ? 1.0f : 0.0f;
}

// Partial results are combined without a second Abs or square.
template <uint32_t kOp>
HWY_INLINE VFloat lanes_combined(VFloat sum) {
  constexpr uint32_t kAcross =
      kOp == abi::kReduceL1 || kOp == abi::kReduceSumSquare ? uint32_t{abi::kReduceSum} : kOp;
  if constexpr (kAcross == abi::kReduceSum) return hn::SumOfLanes(kFloats, sum);
  HWY_ALIGN float lanes[kLanes];
  hn::Store(sum, kFloats, lanes);
  VFloat result = set(lanes[0]);
  for (size_t i = 1; i < kLanes; ++i) result = combine<kAcross>(result, set(lanes[i]));
  return result;
}

// What is left to do once everything is combined.
struct Finish {
  float scale = 1.0f;
  bool root = false;

  HWY_INLINE VFloat operator()(VFloat sum) const {
    return root ? hn::Sqrt(sum) : scale == 1.0f ? sum : hn::Mul(sum, set(scale));
  }
};

// The last axis.
template <uint32_t kOp, typename T>
void reduce_rows(const T* x, T* y, size_t count, const Finish& finish) {
  VFloat sum = set(start_value<kOp>());
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) sum = combine<kOp>(sum, load(x + i));
  if (i < count) {
    const auto rest = hn::FirstN(kFloats, count - i);
    sum = hn::IfThenElse(rest, combine<kOp>(sum, load_some(x + i, count - i)), sum);
  }
  store_some(finish(lanes_combined<kOp>(sum)), y, 1);
}

// Columns [begin, end) of an axis with `inner` values behind it.
template <uint32_t kOp, typename T>
void reduce_columns(const T* x, T* y, size_t count, size_t inner, size_t begin, size_t end,
                    const Finish& finish) {
  size_t i = begin;
  for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
    VFloat sum0 = set(start_value<kOp>()), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (size_t r = 0; r < count; ++r) {
      const T* row = x + r * inner + i;
      sum0 = combine<kOp>(sum0, load(row));
      sum1 = combine<kOp>(sum1, load(row + kLanes));
      sum2 = combine<kOp>(sum2, load(row + 2 * kLanes));
      sum3 = combine<kOp>(sum3, load(row + 3 * kLanes));
    }
    store(finish(sum0), y + i);
    store(finish(sum1), y + i + kLanes);
    store(finish(sum2), y + i + 2 * kLanes);
    store(finish(sum3), y + i + 3 * kLanes);
  }
  for (; i < end; i += kLanes) {
    VFloat sum = set(start_value<kOp>());
    for (size_t r = 0; r < count; ++r) sum = combine<kOp>(sum, load_some(x + r * inner + i, end - i));
    store_some(finish(sum), y + i, end - i);
  }
}

template <uint32_t kOp, typename T>
void reduce_values(const CpuArgs& args, const Finish& finish) {
  constexpr size_t kColumns = 64;  // of one item of work
  const auto& p = args.call().params_as<abi::ReduceParams>();
  const T* x = args.ptr<T>(0);
  T* y = args.ptr<T>(1);
  const size_t block = size_t(p.reduce) * p.inner, parts = (p.inner + kColumns - 1) / kColumns;
  parallel_range(args.pool, p.outer * parts, block / std::max<size_t>(1, parts) * sizeof(T),
                 [&](size_t begin, size_t end) {
                   for (size_t item = begin; item < end; ++item) {
                     const size_t o = item / parts, column = item % parts * kColumns;
                     if (p.inner == 1) {
                       reduce_rows<kOp>(x + o * block, y + o, p.reduce, finish);
                     } else {
                       reduce_columns<kOp>(x + o * block, y + o * p.inner, p.reduce, p.inner, column,
                                           std::min<size_t>(column + kColumns, p.inner), finish);
                     }
                   }
                 });
}

template <typename T>
void reduce_by_op(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::ReduceParams>();
  switch (p.op) {
    case abi::kReduceMax:
      return reduce_values<abi::kReduceMax, T>(args, {});
    case abi::kReduceMin:
      return reduce_values<abi::kReduceMin, T>(args, {});
    case abi::kReduceProd:
      return reduce_values<abi::kReduceProd, T>(args, {});
    case abi::kReduceL1:
      return reduce_values<abi::kReduceL1, T>(args, {});
    case abi::kReduceL2:
      return reduce_values<abi::kReduceSumSquare, T>(args, {1.0f, true});
    case abi::kReduceSumSquare:
      return reduce_values<abi::kReduceSumSquare, T>(args, {});
    case abi::kReduceMean:
      return reduce_values<abi::kReduceSum, T>(args, {1.0f / float(p.reduce), false});
    default:
      return reduce_values<abi::kReduceSum, T>(args, {});
  }
}

void reduce(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return reduce_by_op<hwy::float16_t>(args);
  reduce_by_op<float>(args);
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
  return p.reduce > 0 && p.op != abi::kReduceLogSum && p.op != abi::kReduceLogSumExp;
}

}  // namespace

void cpu_kernel_reduce(CpuRegistry& registry) {
  registry.add("reduce", {run_reduce, accepts_reduce, nullptr});
}

}  // namespace vulcap::cpu
#endif
