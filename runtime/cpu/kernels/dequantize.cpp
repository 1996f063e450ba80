#include <algorithm>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/dequantize.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

template <typename T>
HWY_INLINE VFloat load_numbers(const T* from, size_t count) {
  using Bytes = hn::Rebind<T, Ints>;
  HWY_ALIGN T lanes[kLanes] = {};
  if (count < kLanes) {
    std::copy_n(from, count, lanes);
    from = lanes;
  }
  return hn::ConvertTo(kFloats, hn::PromoteTo(Ints(), hn::LoadU(Bytes(), from)));
}

// Neighbours that share a scale, or whose scales are neighbours as well.
struct Run {
  size_t x, scale, length;
  bool one_scale;
};

template <typename T>
class Dequantize {
 public:
  explicit Dequantize(const CpuArgs& args) : args_(args), p_(args.call().params_as<abi::QuantizeParams>()) {}

  void run() const {
    const size_t axis_runs = p_.inner > 1 ? p_.axis : p_.block > 1 ? (p_.axis + p_.block - 1) / p_.block : 1;
    const size_t outer = p_.n / (size_t(p_.axis) * p_.inner), runs = outer * axis_runs;
    if (runs == 1) {
      const Run all = run_of(0, 0);
      parallel_range(args_.pool, all.length, sizeof(float),
                     [&](size_t begin, size_t end) { convert(all, begin, end); });
      return;
    }
    parallel_range(args_.pool, runs, p_.n / runs * sizeof(float), [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const Run run = run_of(i / axis_runs, i % axis_runs);
        convert(run, 0, run.length);
      }
    });
  }

 private:
  Run run_of(size_t outer, size_t i) const {
    const size_t start = outer * p_.axis * p_.inner, scale = outer * p_.outer_stride;
    if (p_.inner > 1)
      return {start + i * p_.inner, scale + i / p_.block * p_.axis_stride, p_.inner, p_.inner_stride == 0};
    if (p_.block == 1) return {start, scale, p_.axis, p_.axis_stride == 0};
    return {start + i * p_.block, scale + i * p_.axis_stride,
            std::min<size_t>(p_.block, p_.axis - i * p_.block), true};
  }

  void convert(const Run& run, size_t begin, size_t end) const {
    const float* scales = args_.ptr<float>(1) + run.scale;
    const T* zeros = p_.flags & abi::kQuantizeZero ? args_.ptr<T>(2) + run.scale : nullptr;
    VFloat scale = set(scales[0]), zero = set(zeros != nullptr ? float(zeros[0]) : 0.0f);
    for (size_t i = begin; i < end; i += kLanes) {
      const size_t count = end - i;
      if (!run.one_scale) {
        scale = load_some(scales + i, count);
        if (zeros != nullptr) zero = load_numbers(zeros + i, count);
      }
      const VFloat value = hn::Sub(load_numbers(args_.ptr<T>(0) + run.x + i, count), zero);
      store_some(hn::Mul(value, scale), args_.ptr<float>(3) + run.x + i, count);
    }
  }

  const CpuArgs& args_;
  const abi::QuantizeParams& p_;
};

void dequantize(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kI8) return Dequantize<int8_t>(args).run();
  Dequantize<uint8_t>(args).run();
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(dequantize);

namespace {

void run_dequantize(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(dequantize)(args); }

bool accepts_dequantize(const ops::KernelCall& call) {
  const auto& p = call.params_as<abi::QuantizeParams>();
  const bool bytes = call.variant.storage == core::DType::kU8 || call.variant.storage == core::DType::kI8;
  return bytes && p.n > 0 && call.variant.second == core::DType::kF32 &&
         core::DType(p.scale_type) == core::DType::kF32;
}

}  // namespace

void cpu_kernel_dequantize(CpuRegistry& registry) {
  registry.add("dequantize", {run_dequantize, accepts_dequantize, nullptr});
}

}  // namespace vulcap::cpu
#endif
