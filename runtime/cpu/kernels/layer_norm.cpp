#include <algorithm>
#include <cmath>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/layer_norm.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

template <typename T>
class LayerNorm {
 public:
  explicit LayerNorm(const CpuArgs& args) : args_(args), p_(args.call().params_as<abi::LayerNormParams>()) {}

  void run() const {
    parallel_range(args_.pool, p_.rows, size_t(p_.cols) * sizeof(T) * 3, [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; ++row) normalize(row);
    });
  }

 private:
  VFloat value(size_t at, size_t count) const {
    const VFloat x = load_some(args_.ptr<T>(0) + at, count);
    return p_.flags & abi::kNormSkip ? hn::Add(x, load_some(args_.ptr<T>(1) + at, count)) : x;
  }

  float mean(size_t begin) const {
    VFloat sum = hn::Zero(kFloats);
    for (size_t i = 0; i < p_.cols; i += kLanes) sum = hn::Add(sum, value(begin + i, p_.cols - i));
    return hn::GetLane(hn::SumOfLanes(kFloats, sum)) / float(p_.cols);
  }

  struct Moments {
    float mean, variance;
  };

  // From the distances to a first mean, whose rounding they take back; `center` false leaves the mean at 0.
  Moments moments(size_t begin, float first, bool center) const {
    VFloat sum = hn::Zero(kFloats), squares = hn::Zero(kFloats);
    for (size_t i = 0; i < p_.cols; i += kLanes) {
      const auto inside = hn::FirstN(kFloats, std::min<size_t>(kLanes, p_.cols - i));
      const VFloat distance = hn::IfThenElseZero(inside, hn::Sub(value(begin + i, p_.cols - i), set(first)));
      sum = hn::Add(sum, distance);
      squares = hn::MulAdd(distance, distance, squares);
    }
    const float scale = 1.0f / float(p_.cols);
    const float shift = center ? hn::GetLane(hn::SumOfLanes(kFloats, sum)) * scale : 0.0f;
    const float square = hn::GetLane(hn::SumOfLanes(kFloats, squares)) * scale;
    return {first + shift, std::max(square - shift * shift, 0.0f)};
  }

  Moments moments_of_row(size_t row) const {
    if (p_.flags & abi::kNormGiven)
      return {args_.ptr<float>(6)[row % p_.period], args_.ptr<float>(7)[row % p_.period]};
    const bool center = !(p_.flags & abi::kNormRms);
    const size_t begin = row * p_.cols;
    return moments(begin, center ? mean(begin) : 0.0f, center);
  }

  void normalize(size_t row) const {
    const Moments m = moments_of_row(row);
    const float inverse = 1.0f / std::sqrt(m.variance + p_.epsilon);
    if (p_.flags & abi::kNormRowScale) {
      for (size_t i = 0; i < p_.cols; i += p_.inner) scale_run(row, i, m.mean, inverse);
    } else {
      scale_columns(row * p_.cols, set(m.mean), set(inverse));
    }
    if (!(p_.flags & abi::kNormMoments)) return;
    args_.ptr<float>(6)[row] = m.mean;
    args_.ptr<float>(7)[row] = inverse;
  }

  // Columns [column, column + inner) share a scale and a bias.
  void scale_run(size_t row, size_t column, float mean, float inverse) const {
    const size_t at = row % p_.period * p_.step + column / p_.inner;
    VFloat factor = set(inverse), shift = hn::Zero(kFloats);
    if (!(p_.flags & abi::kNormNoScale)) factor = hn::Mul(factor, splat(args_.ptr<T>(2)[at]));
    if (p_.flags & abi::kNormBias) shift = splat(args_.ptr<T>(3)[at]);
    const size_t begin = row * p_.cols + column, end = begin + std::min<size_t>(p_.inner, p_.cols - column);
    for (size_t i = begin; i < end; i += kLanes) {
      const VFloat v = value(i, end - i);
      store_some(hn::MulAdd(hn::Sub(v, set(mean)), factor, shift), args_.ptr<T>(4) + i, end - i);
      if (p_.flags & abi::kNormSum) store_some(v, args_.ptr<T>(5) + i, end - i);
    }
  }

  void scale_columns(size_t begin, VFloat middle, VFloat inverse) const {
    for (size_t i = 0; i < p_.cols; i += kLanes) {
      const size_t count = p_.cols - i;
      const VFloat v = value(begin + i, count);
      VFloat y = hn::Mul(hn::Sub(v, middle), inverse);
      if (!(p_.flags & abi::kNormNoScale)) y = hn::Mul(y, load_some(args_.ptr<T>(2) + i, count));
      if (p_.flags & abi::kNormBias) y = hn::Add(y, load_some(args_.ptr<T>(3) + i, count));
      store_some(y, args_.ptr<T>(4) + begin + i, count);
      if (p_.flags & abi::kNormSum) store_some(v, args_.ptr<T>(5) + begin + i, count);
    }
  }

  const CpuArgs& args_;
  const abi::LayerNormParams& p_;
};

void layer_norm(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return LayerNorm<hwy::float16_t>(args).run();
  LayerNorm<float>(args).run();
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(layer_norm);

namespace {

void run_layer_norm(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(layer_norm)(args); }

bool accepts_layer_norm(const ops::KernelCall& call) {
  return call.variant.storage == core::DType::kF32 || call.variant.storage == core::DType::kF16;
}

}  // namespace

void cpu_kernel_layer_norm(CpuRegistry& registry) {
  registry.add("layer_norm", {run_layer_norm, accepts_layer_norm, nullptr});
}

}  // namespace vulcap::cpu
#endif
