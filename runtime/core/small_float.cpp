#include "runtime/core/small_float.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vulcap::core {
namespace {

enum class Special : uint8_t {
  kIeee,         // the highest exponent holds infinities and NaN
  kNanAtTop,     // all bits set is NaN, no infinity
  kNanAtMinus0,  // the bits of -0 are NaN, no infinity
  kNone,
};

struct Format {
  int exponent_bits, mantissa_bits, bias;
  Special special;

  int sign_bit() const { return 1 << (exponent_bits + mantissa_bits); }
  int infinity() const { return ((1 << exponent_bits) - 1) << mantissa_bits; }  // of kIeee
  int largest() const {
    if (special == Special::kIeee) return infinity() - 1;
    return sign_bit() - (special == Special::kNanAtTop ? 2 : 1);
  }
  int nan() const {
    if (special == Special::kIeee) return infinity() + (1 << (mantissa_bits - 1));
    return special == Special::kNanAtTop ? sign_bit() - 1 : sign_bit();
  }
};

Format format_of(DType dtype) {
  switch (dtype) {
    case DType::kF8E4M3FN:
      return {4, 3, 7, Special::kNanAtTop};
    case DType::kF8E4M3FNUZ:
      return {4, 3, 8, Special::kNanAtMinus0};
    case DType::kF8E5M2:
      return {5, 2, 15, Special::kIeee};
    case DType::kF8E5M2FNUZ:
      return {5, 2, 16, Special::kNanAtMinus0};
    default:
      return {2, 1, 1, Special::kNone};  // kF4E2M1
  }
}

// The magnitude in units of the format's last place becomes its bits: exponents follow one another without a
// gap.
int magnitude_bits(const Format& format, double magnitude) {
  if (magnitude == 0) return 0;
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  exponent = std::max(exponent - 1 + format.bias, 1);
  const double units = std::nearbyint(std::ldexp(magnitude, format.bias + format.mantissa_bits - exponent));
  return ((exponent - 1) << format.mantissa_bits) + int(units);
}

uint8_t double_to_e8m0(double value, bool saturate, E8M0Rounding rounding) {
  constexpr uint8_t kNan = 255;
  const double magnitude = std::abs(value);
  if (std::isnan(value)) return kNan;
  if (magnitude < 0x1p-127 || std::isinf(magnitude)) return !saturate ? kNan : magnitude < 1 ? 0 : 254;
  int exponent = 0;
  const double fraction = std::frexp(magnitude, &exponent) * 2 - 1;  // [0, 1)
  exponent += 126;
  if (rounding == E8M0Rounding::kUp ? fraction > 0 : rounding == E8M0Rounding::kNearest && fraction >= 0.5)
    ++exponent;
  if (exponent > 254) return saturate ? 254 : kNan;
  return uint8_t(exponent);
}

}  // namespace

bool dtype_is_small_float(DType dtype) { return dtype_is_float(dtype) && dtype_bits(dtype) <= 8; }

double small_float_to_double(DType dtype, uint8_t bits) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (dtype == DType::kF8E8M0) return bits == 255 ? kNan : std::ldexp(1.0, int(bits) - 127);
  const Format format = format_of(dtype);
  const int sign = bits & format.sign_bit();
  const int magnitude = bits & (format.sign_bit() - 1);
  double value = 0;
  if (format.special == Special::kNanAtMinus0 && bits == format.nan()) return kNan;
  if (magnitude > format.largest()) {
    const bool infinite = format.special == Special::kIeee && magnitude == format.infinity();
    value = infinite ? std::numeric_limits<double>::infinity() : kNan;
  } else {
    const int exponent = std::max(magnitude >> format.mantissa_bits, 1);
    const int units = magnitude - ((exponent - 1) << format.mantissa_bits);
    value = std::ldexp(double(units), exponent - format.bias - format.mantissa_bits);
  }
  return sign != 0 ? -value : value;
}

uint8_t double_to_small_float(DType dtype, double value, bool saturate, E8M0Rounding rounding) {
  if (dtype == DType::kF8E8M0) return double_to_e8m0(value, saturate, rounding);
  const Format format = format_of(dtype);
  const bool unsigned_zero = format.special == Special::kNanAtMinus0;
  const int sign = std::signbit(value) ? format.sign_bit() : 0;
  if (std::isnan(value)) {
    if (format.special == Special::kNone) return uint8_t(format.sign_bit());
    return uint8_t(format.nan() | sign);
  }
  const double magnitude = std::abs(value);
  const double too_large = 2 * small_float_to_double(dtype, uint8_t(format.largest()));
  int bits = magnitude < too_large ? magnitude_bits(format, magnitude) : format.sign_bit();
  if (bits > format.largest()) {
    if (saturate || format.special == Special::kNone) {
      bits = format.largest();
    } else {
      bits = format.special == Special::kIeee ? format.infinity() : format.nan();
    }
  }
  return uint8_t(bits == 0 && unsigned_zero ? 0 : bits | sign);
}

}  // namespace vulcap::core
