// The scalar functions that rows of shaders/elementwise.def call, in double and wrapping int64.
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
inline double vc_round_even(double x) { return std::nearbyint(x); }
inline double vc_pow(double a, double b) { return std::pow(a, b); }
// A NaN on either side stays, as in ONNX Min and Max.
inline double vc_min(double a, double b) { return std::isnan(a) || a < b ? a : b; }
inline double vc_max(double a, double b) { return std::isnan(a) || b < a ? a : b; }

// int64 whose arithmetic wraps, so that no input overflows.
struct Wrapping {
  int64_t value;
  friend Wrapping operator+(Wrapping a, Wrapping b) {
    return {int64_t(uint64_t(a.value) + uint64_t(b.value))};
  }
  friend Wrapping operator-(Wrapping a, Wrapping b) {
    return {int64_t(uint64_t(a.value) - uint64_t(b.value))};
  }
  friend Wrapping operator*(Wrapping a, Wrapping b) {
    return {int64_t(uint64_t(a.value) * uint64_t(b.value))};
  }
  friend bool operator<(Wrapping a, Wrapping b) { return a.value < b.value; }
};

// Truncates towards zero; a zero divisor gives 0.
inline Wrapping vc_idiv(Wrapping a, Wrapping b) {
  if (b.value == 0) return {0};
  if (b.value == -1) return Wrapping{0} - a;
  return {a.value / b.value};
}

// A negative exponent gives the truncated quotient: 0 unless the base is 1 or -1.
inline Wrapping vc_ipow(Wrapping base, Wrapping exponent) {
  if (exponent.value < 0 && base.value != 1 && base.value != -1) return {0};
  Wrapping result{1};
  for (uint64_t e = exponent.value < 0 ? uint64_t(exponent.value & 1) : uint64_t(exponent.value); e != 0;
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
