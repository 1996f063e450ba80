// Loads, stores and elementary functions on vectors of float, for f32 and f16 storage.
#if defined(VULCAP_CPU_SIMD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef VULCAP_CPU_SIMD_INL_H
#undef VULCAP_CPU_SIMD_INL_H
#else
#define VULCAP_CPU_SIMD_INL_H
#endif

#include <cmath>
#include <cstring>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "runtime/core/half.h"
#include "shaders/abi.h"

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Ints = hn::ScalableTag<int32_t>;
using Halves = hn::Rebind<hwy::float16_t, Floats>;
using VFloat = hn::Vec<Floats>;
inline constexpr Floats kFloats{};
inline constexpr size_t kLanes = HWY_LANES(float);
inline constexpr bool kPortable = HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128;

HWY_INLINE VFloat load(const float* from) { return hn::LoadU(kFloats, from); }
HWY_INLINE VFloat load(const hwy::float16_t* from) {
  return hn::PromoteTo(kFloats, hn::LoadU(Halves(), from));
}
HWY_INLINE VFloat load(const int8_t* from) {
  return hn::ConvertTo(kFloats, hn::PromoteTo(Ints(), hn::LoadU(hn::Rebind<int8_t, Ints>(), from)));
}
HWY_INLINE void store(VFloat v, float* to) { hn::StoreU(v, kFloats, to); }
HWY_INLINE void store(VFloat v, hwy::float16_t* to) {
  if constexpr (kPortable) {
    // Highway's portable conversion neither rounds to even nor overflows to infinity.
    HWY_ALIGN float lanes[kLanes];
    hn::StoreU(v, kFloats, lanes);
    for (size_t i = 0; i < kLanes; ++i) to[i].bits = core::float_to_half(lanes[i]);
  } else {
    hn::StoreU(hn::DemoteTo(Halves(), v), Halves(), to);
  }
}

// The first `count` lanes; the others are 0.
template <typename T>
HWY_INLINE VFloat load_some(const T* from, size_t count) {
  if (count >= kLanes) return load(from);
  HWY_ALIGN T lanes[kLanes] = {};
  std::memcpy(lanes, from, count * sizeof(T));
  return load(lanes);
}

template <typename T>
HWY_INLINE void store_some(VFloat v, T* to, size_t count) {
  if (count >= kLanes) return store(v, to);
  HWY_ALIGN T lanes[kLanes];
  store(v, lanes);
  std::memcpy(to, lanes, count * sizeof(T));
}

HWY_INLINE VFloat set(float value) { return hn::Set(kFloats, value); }
HWY_INLINE VFloat splat(float value) { return set(value); }
HWY_INLINE VFloat splat(hwy::float16_t value) { return set(core::half_to_float(value.bits)); }

template <size_t kCount>
HWY_INLINE VFloat polynomial(VFloat x, const float (&coefficients)[kCount]) {
  VFloat result = set(coefficients[kCount - 1]);
#pragma GCC unroll 16
  for (size_t i = 1; i < kCount; ++i) result = hn::MulAdd(result, x, set(coefficients[kCount - 1 - i]));
  return result;
}

// e^x, relative error below 2e-7; 0 below -87.3, infinity above 88.72; NaN stays (x86 min and max return the
// second operand).
HWY_INLINE VFloat exponential(VFloat x) {
  static constexpr float kTerms[] = {0.5f, 0.16666518151760101f, 0.0416662059724331f, 0.0083689540624619f,
                                     0.0013950599823147f};
  const VFloat clamped = hn::Max(set(-87.4f), hn::Min(set(88.8f), x));
  const VFloat n = hn::Round(hn::Mul(clamped, set(1.44269504f)));
  const VFloat r = hn::NegMulAdd(n, set(-2.12194440e-4f), hn::NegMulAdd(n, set(0.693359375f), clamped));
  const VFloat tail = hn::Mul(hn::Mul(r, r), polynomial(r, kTerms));
  const VFloat fraction = hn::Add(set(1.0f), hn::Add(r, tail));
  // 2^n in two factors, because 2^128 is no float
  const auto half_exponent = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(Ints(), n), hn::Set(Ints(), 126)));
  const VFloat result = hn::Mul(hn::Mul(fraction, hn::BitCast(kFloats, half_exponent)), set(2.0f));
  const VFloat flushed = hn::IfThenZeroElse(hn::Lt(x, set(-87.3f)), result);
  return kPortable ? hn::IfThenElse(hn::IsNaN(x), x, flushed) : flushed;
}

// erfc(x) for x >= 0 as exp(-T(x)), T a minimax polynomial of -log(erfc(x)) on [0, 4.2]; relative error below
// 5e-6 where it matters, 0 beyond 4.2 (erfc < 3e-9).
HWY_INLINE VFloat erfc_positive(VFloat x) {
  static constexpr float kTerms[] = {
      1.1283797025680542f,      0.6366111636161804f,    0.10282234847545624f,    -0.01926102116703987f,
      -3.150756674585864e-05f,  0.0015979616437107325f, -0.0006309003802016377f, 0.00013239584222901613f,
      -1.5333340343204327e-05f, 7.678845577174798e-07f};
  const VFloat value = exponential(hn::Neg(hn::Mul(x, polynomial(x, kTerms))));
  return hn::IfThenZeroElse(hn::Gt(x, set(4.2f)), value);
}

HWY_INLINE VFloat erf(VFloat x) {
  static constexpr float kTerms[] = {1.1283791065216064f,    -0.3761262595653534f,  0.11283600330352783f,
                                     -0.026854444295167923f, 0.005189535208046436f, -0.0008020841050893068f,
                                     7.889119297033176e-05f};
  const VFloat magnitude = hn::Abs(x);
  const VFloat small = hn::Mul(x, polynomial(hn::Mul(x, x), kTerms));
  const VFloat large = hn::CopySign(hn::Sub(set(1.0f), erfc_positive(magnitude)), x);
  return hn::IfThenElse(hn::Lt(magnitude, set(1.0f)), small, large);
}

HWY_INLINE VFloat tanh(VFloat x) {
  static constexpr float kTerms[] = {1.0f,
                                     -0.3333326280117035f,
                                     0.13331185281276703f,
                                     -0.0537252314388752f,
                                     0.02060314640402794f,
                                     -0.005672421772032976f};
  const VFloat magnitude = hn::Abs(x);
  const VFloat small = hn::Mul(x, polynomial(hn::Mul(x, x), kTerms));
  const VFloat e = exponential(hn::Mul(magnitude, set(-2.0f)));
  const VFloat large = hn::Div(hn::Sub(set(1.0f), e), hn::Add(set(1.0f), e));
  return hn::IfThenElse(hn::Lt(magnitude, set(0.625f)), small, hn::CopySign(large, x));
}

HWY_INLINE VFloat sigmoid(VFloat x) {
  return hn::Div(set(1.0f), hn::Add(set(1.0f), exponential(hn::Neg(x))));
}

// x * sigmoid(slope * x); 0 (not NaN) for large negative x.
HWY_INLINE VFloat swish(VFloat x, VFloat slope) {
  return hn::Div(x, hn::Add(set(1.0f), exponential(hn::Neg(hn::Mul(slope, x)))));
}

HWY_INLINE VFloat gelu(VFloat x) {
  const VFloat tail = erfc_positive(hn::Mul(hn::Abs(x), set(0.70710678f)));
  const VFloat twice = hn::IfThenElse(hn::Lt(x, set(0.0f)), tail, hn::Sub(set(2.0f), tail));
  return hn::Mul(hn::Mul(x, set(0.5f)), twice);
}

HWY_INLINE VFloat gelu_tanh(VFloat x) {
  const VFloat inner = hn::MulAdd(hn::Mul(set(0.044715f), hn::Mul(x, x)), x, x);
  return hn::Div(x, hn::Add(set(1.0f), exponential(hn::Mul(set(-1.59576912f), inner))));
}

// Limits that let a NaN in x through.
HWY_INLINE VFloat at_least(VFloat x, VFloat low) { return hn::IfThenElse(hn::Lt(x, low), low, x); }
HWY_INLINE VFloat at_most(VFloat x, VFloat high) { return hn::IfThenElse(hn::Gt(x, high), high, x); }

HWY_INLINE VFloat relu(VFloat x) { return at_least(x, set(0.0f)); }

// The range in which Highway's sine and cosine hold; other lanes go one by one.
template <typename Vector, typename Scalar>
HWY_INLINE VFloat periodic(VFloat x, const Vector& fast, const Scalar& exact) {
  if (hn::AllTrue(kFloats, hn::Lt(hn::Abs(x), set(39000.0f)))) return fast(x);
  HWY_ALIGN float lanes[kLanes];
  hn::Store(x, kFloats, lanes);
  for (float& lane : lanes) lane = exact(lane);
  return hn::Load(kFloats, lanes);
}
HWY_INLINE VFloat sine(VFloat x) {
  return periodic(
      x, [](VFloat v) HWY_ATTR { return hn::Sin(kFloats, v); }, [](float v) { return std::sin(v); });
}
HWY_INLINE VFloat cosine(VFloat x) {
  return periodic(
      x, [](VFloat v) HWY_ATTR { return hn::Cos(kFloats, v); }, [](float v) { return std::cos(v); });
}

// Highway leaves what is not a positive finite number open.
HWY_INLINE VFloat logarithm(VFloat x) {
  const VFloat infinity = hn::Inf(kFloats);
  const VFloat positive = hn::IfThenElse(hn::Lt(x, infinity), hn::Log(kFloats, x), x);
  const VFloat not_positive = hn::IfThenElse(hn::Eq(x, set(0.0f)), hn::Neg(infinity), hn::NaN(kFloats));
  return hn::IfThenElse(hn::Gt(x, set(0.0f)), positive, not_positive);
}

HWY_INLINE VFloat softplus(VFloat x) {
  return hn::Add(at_least(x, set(0.0f)), hn::Log1p(kFloats, exponential(hn::Neg(hn::Abs(x)))));
}

// x where it is not negative, else factor * (e^(x * rate) - 1).
HWY_INLINE VFloat elu(VFloat x, VFloat factor, VFloat rate) {
  const VFloat curve = hn::Mul(factor, hn::Sub(exponential(hn::Mul(x, rate)), set(1.0f)));
  return hn::IfThenElse(hn::Lt(x, set(0.0f)), curve, x);
}

HWY_INLINE VFloat sign(VFloat x) {
  const VFloat below = hn::IfThenElse(hn::Lt(x, set(0.0f)), set(-1.0f), x);
  return hn::IfThenElse(hn::Gt(x, set(0.0f)), set(1.0f), below);
}

// Limited to [0, 1] as the rows of hard activations are.
HWY_INLINE VFloat unit_interval(VFloat x) { return at_most(at_least(x, set(0.0f)), set(1.0f)); }

// One of abi::kAct*.
HWY_INLINE VFloat activate(uint32_t act, VFloat x) {
  switch (act) {
    case abi::kActGelu:
      return gelu(x);
    case abi::kActGeluTanh:
      return gelu_tanh(x);
    case abi::kActRelu:
      return relu(x);
    case abi::kActQuickGelu:
      return swish(x, set(1.702f));
    case abi::kActSilu:
      return swish(x, set(1.0f));
    case abi::kActTanh:
      return tanh(x);
    case abi::kActSigmoid:
      return sigmoid(x);
    default:
      return x;
  }
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
