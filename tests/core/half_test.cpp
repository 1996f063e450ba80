// Conversions against definitions in double arithmetic, over every half and over floats around every rounding
// boundary.
#include "runtime/core/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vulcap::core {
namespace {

double half_value(uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const int mantissa = half & 1023;
  const double sign = half & 0x8000 ? -1 : 1;
  if (exponent == 31) return mantissa ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

// Nearest half of a finite or infinite float, ties to the even mantissa.
uint16_t nearest_half(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::abs(double(value));
  if (size >= 65520.0) return sign | 0x7c00;
  int exponent = 0;
  std::frexp(size, &exponent);
  const int step = std::max(exponent - 11, -24);
  const double scaled = std::ldexp(size, -step);
  double rounded = std::floor(scaled);
  const double rest = scaled - rounded;
  if (rest > 0.5 || (rest == 0.5 && std::fmod(rounded, 2) != 0)) rounded += 1;
  const double result = std::ldexp(rounded, step);
  if (result < std::ldexp(1.0, -14)) return sign | uint16_t(std::ldexp(result, 24));
  std::frexp(result, &exponent);
  return sign | uint16_t(((exponent + 14) << 10) + int(std::ldexp(result, 11 - exponent)) - 1024);
}

TEST(Half, EveryHalfHasItsValue) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float got = half_to_float(uint16_t(bits));
    const double want = half_value(uint16_t(bits));
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(got)) << bits;
    } else {
      ASSERT_EQ(double(got), want) << bits;
      ASSERT_EQ(std::signbit(got), std::signbit(want)) << bits;
    }
  }
}

TEST(Half, EveryHalfComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = half_to_float(uint16_t(bits));
    const uint16_t back = float_to_half(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(half_to_float(back))) << bits;
    } else {
      ASSERT_EQ(back, bits);
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const float low = half_to_float(uint16_t(bits));
    const float high = bits + 1 == 0x7c00 ? 65536.0f : half_to_float(uint16_t(bits + 1));
    const float middle = float((double(low) + double(high)) / 2);
    for (const float value : {std::nextafter(low, 1e9f), std::nextafter(middle, 0.0f), middle,
                              std::nextafter(middle, 1e9f), std::nextafter(high, 0.0f)}) {
      ASSERT_EQ(float_to_half(value), nearest_half(value)) << value;
      ASSERT_EQ(float_to_half(-value), nearest_half(-value)) << -value;
    }
  }
}

TEST(Half, RoundsAnyFloat) {
  for (uint64_t bits = 0; bits < 0x7f800000u; bits += 9973) {
    const float value = std::bit_cast<float>(uint32_t(bits));
    ASSERT_EQ(float_to_half(value), nearest_half(value)) << value;
  }
}

TEST(Half, SpecialFloats) {
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::infinity()), 0x7c00);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::max()), 0x7c00);
  EXPECT_EQ(float_to_half(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_half(-0.0f), 0x8000);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(Bfloat16, EveryValueComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = bfloat16_to_float(uint16_t(bits));
    const uint16_t back = float_to_bfloat16(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(bfloat16_to_float(back))) << bits;
    } else {
      ASSERT_EQ(back, bits);
    }
  }
}

TEST(Bfloat16, RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7f80; ++bits) {
    const uint32_t middle = (bits << 16) | 0x8000u;
    ASSERT_EQ(float_to_bfloat16(std::bit_cast<float>(middle - 1)), bits);
    ASSERT_EQ(float_to_bfloat16(std::bit_cast<float>(middle)), bits + (bits & 1));
    ASSERT_EQ(float_to_bfloat16(std::bit_cast<float>(middle + 1)), bits + 1);
    ASSERT_EQ(float_to_bfloat16(std::bit_cast<float>((middle + 1) | 0x80000000u)), 0x8000u + bits + 1);
  }
}

}  // namespace
}  // namespace vulcap::core
