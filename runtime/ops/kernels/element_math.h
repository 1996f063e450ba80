// The scalar functions that rows of shaders/elementwise.def call, in double and wrapping 64-bit integers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "shaders/abi.h"

namespace vulcap::ops::rows {

using std::abs;
using std::ceil;
using std::cos;
using std::exp;
using std::floor;
using std::log;
using std::sin;
using std::sqrt;

// A NaN in the first operand stays, as in ONNX Relu and Clip.
inline double max(double a, double b) { return a < b ? b : a; }
inline double min(double a, double b) { return b < a ? b : a; }

inline double vc_erf(double x) { return std::erf(x); }
inline double vc_tanh(double x) { return std::tanh(x); }
inline double vc_gelu(double x) { return 0.5 * x * (1.0 + std::erf(x * 0.70710678118654752)); }
inline double vc_gelu_tanh(double x) {
  return 0.5 * x * (1.0 + std::tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
}
inline double vc_sign(double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }
inline double vc_softplus(double x) { return max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
inline double vc_sin(double x) { return std::sin(x); }
inline double vc_cos(double x) { return std::cos(x); }
inline double vc_round_even(double x) { return std::nearbyint(x); }
inline double vc_acos(double x) { return std::acos(x); }
inline double vc_acosh(double x) { return std::acosh(x); }
inline double vc_asin(double x) { return std::asin(x); }
inline double vc_asinh(double x) { return std::asinh(x); }
inline double vc_atan(double x) { return std::atan(x); }
inline double vc_atanh(double x) { return std::atanh(x); }
inline double vc_cosh(double x) { return std::cosh(x); }
inline double vc_sinh(double x) { return std::sinh(x); }
inline double vc_tan(double x) { return std::tan(x); }
// The remainder has the sign of the dividend, or (vc_mod) of the divisor.
inline double vc_fmod(double a, double b) { return std::fmod(a, b); }
inline double vc_mod(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
inline double vc_pow(double a, double b) { return std::pow(a, b); }
// A NaN on either side stays, as in ONNX Min and Max.
inline double vc_min(double a, double b) { return std::isnan(a) || a < b ? a : b; }
inline double vc_max(double a, double b) { return std::isnan(a) || b < a ? a : b; }

// A 64-bit integer, int64_t or uint64_t, whose arithmetic wraps, so that no input overflows.
template <typename T>
struct Wrapping {
  T value;
  friend Wrapping operator+(Wrapping a, Wrapping b) { return {T(uint64_t(a.value) + uint64_t(b.value))}; }
  friend Wrapping operator-(Wrapping a, Wrapping b) { return {T(uint64_t(a.value) - uint64_t(b.value))}; }
  friend Wrapping operator*(Wrapping a, Wrapping b) { return {T(uint64_t(a.value) * uint64_t(b.value))}; }
  friend Wrapping operator&(Wrapping a, Wrapping b) { return {a.value & b.value}; }
  friend Wrapping operator|(Wrapping a, Wrapping b) { return {a.value | b.value}; }
  friend Wrapping operator^(Wrapping a, Wrapping b) { return {a.value ^ b.value}; }
  friend Wrapping operator-(Wrapping a) { return Wrapping{0} - a; }
  friend Wrapping operator~(Wrapping a) { return {T(~a.value)}; }
  friend bool operator<(Wrapping a, Wrapping b) { return a.value < b.value; }
  bool negative() const { return value < T(0); }
};

template <typename T>
Wrapping<T> vc_iabs(Wrapping<T> x) {
  return x.negative() ? -x : x;
}
template <typename T>
Wrapping<T> vc_irelu(Wrapping<T> x) {
  return x.negative() ? Wrapping<T>{0} : x;
}
template <typename T>
Wrapping<T> vc_isign(Wrapping<T> x) {
  return {x.negative() ? T(-1) : T(x.value != 0)};
}
template <typename T>
Wrapping<T> vc_iprelu(Wrapping<T> a, Wrapping<T> b) {
  return a.negative() ? a * b : a;
}

// Truncates towards zero; a zero divisor gives 0.
template <typename T>
Wrapping<T> vc_idiv(Wrapping<T> a, Wrapping<T> b) {
  if (b.value == 0) return {0};
  if (b.negative() && b.value == T(-1)) return -a;
  return {T(a.value / b.value)};
}

// The remainder has the sign of the dividend, or (vc_imod) of the divisor.
template <typename T>
Wrapping<T> vc_ifmod(Wrapping<T> a, Wrapping<T> b) {
  return b.value == 0 ? b : a - b * vc_idiv(a, b);
}
template <typename T>
Wrapping<T> vc_imod(Wrapping<T> a, Wrapping<T> b) {
  const Wrapping<T> r = vc_ifmod(a, b);
  return r.value != 0 && r.negative() != b.negative() ? r + b : r;
}

// A distance of 64 or more leaves nothing.
template <typename T>
Wrapping<T> vc_shift_left(Wrapping<T> a, Wrapping<T> b) {
  return {uint64_t(b.value) > 63 ? T(0) : T(uint64_t(a.value) << b.value)};
}
template <typename T>
Wrapping<T> vc_shift_right(Wrapping<T> a, Wrapping<T> b) {
  return {uint64_t(b.value) > 63 ? T(0) : T(a.value >> b.value)};
}

// A negative exponent gives the truncated quotient: 0 unless the base is 1 or -1.
template <typename T>
Wrapping<T> vc_ipow(Wrapping<T> base, Wrapping<T> exponent) {
  if (exponent.negative() && base.value != 1 && base.value != T(-1)) return {0};
  Wrapping<T> result{1};
  for (uint64_t e = exponent.negative() ? uint64_t(exponent.value & 1) : uint64_t(exponent.value); e != 0;
       e >>= 1) {
    if (e & 1) result = result * base;
    base = base * base;
  }
  return result;
}

// One of abi::kAct*.
inline double activation(uint32_t act, double x) {
  switch (act) {
    case abi::kActGelu:
      return vc_gelu(x);
    case abi::kActGeluTanh:
      return vc_gelu_tanh(x);
    case abi::kActRelu:
      return max(x, 0.0);
    case abi::kActQuickGelu:
      return x / (1.0 + exp(-1.702 * x));
    case abi::kActSilu:
      return x / (1.0 + exp(-x));
    case abi::kActTanh:
      return vc_tanh(x);
    case abi::kActSigmoid:
      return 1.0 / (1.0 + exp(-x));
    default:
      return x;
  }
}

}  // namespace vulcap::ops::rows
