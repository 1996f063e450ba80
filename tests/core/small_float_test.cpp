#include "runtime/core/small_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/core/half.h"

namespace vulcap::core {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr DType kAll[] = {DType::kF8E4M3FN,   DType::kF8E4M3FNUZ, DType::kF8E5M2,
                          DType::kF8E5M2FNUZ, DType::kF8E8M0,     DType::kF4E2M1};

TEST(SmallFloat, EveryPatternSurvivesARoundTrip) {
  for (DType dtype : kAll) {
    for (int bits = 0; bits < (1 << dtype_bits(dtype)); ++bits) {
      const double value = small_float_to_double(dtype, uint8_t(bits));
      const uint8_t back = double_to_small_float(dtype, value, false);
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(small_float_to_double(dtype, back))) << dtype_name(dtype) << " " << bits;
      } else {
        EXPECT_EQ(back, bits) << dtype_name(dtype);
      }
    }
  }
}

double cast(DType dtype, double value, bool saturate) {
  return small_float_to_double(dtype, double_to_small_float(dtype, value, saturate));
}

TEST(SmallFloat, RoundsToNearestEven) {
  EXPECT_EQ(cast(DType::kF8E4M3FN, 0.47892547, true), 0.46875);
  EXPECT_EQ(cast(DType::kF8E4M3FN, 17, true), 16);
  EXPECT_EQ(cast(DType::kF8E4M3FN, 19, true), 20);
  EXPECT_EQ(cast(DType::kF8E4M3FN, 0x1p-10, true), 0);
  EXPECT_EQ(cast(DType::kF8E4M3FN, 0x1.8p-10, true), 0x1p-9);
  EXPECT_EQ(cast(DType::kF8E5M2, 0.8191, true), 0.875);
  EXPECT_EQ(cast(DType::kF4E2M1, 3.5, true), 4);
  EXPECT_EQ(cast(DType::kF4E2M1, 0.25, true), 0);
}

TEST(SmallFloat, OutOfRangeFollowsTheTableOfCast) {
  const struct {
    DType dtype;
    double largest, overflow;
  } rows[] = {{DType::kF8E4M3FN, 448, kNan},
              {DType::kF8E4M3FNUZ, 240, kNan},
              {DType::kF8E5M2, 57344, kInf},
              {DType::kF8E5M2FNUZ, 57344, kNan}};
  for (const auto& row : rows) {
    for (double value : {row.largest * 1.25, 1e30, kInf}) {
      EXPECT_EQ(cast(row.dtype, value, true), row.largest);
      EXPECT_EQ(cast(row.dtype, -value, true), -row.largest);
      const double wrong = cast(row.dtype, -value, false);
      EXPECT_TRUE(std::isnan(row.overflow) ? std::isnan(wrong) : wrong == -row.overflow);
    }
    EXPECT_TRUE(std::isnan(cast(row.dtype, kNan, true)));
  }
  EXPECT_FALSE(std::signbit(cast(DType::kF8E5M2FNUZ, -0.0, true)));
  EXPECT_TRUE(std::signbit(cast(DType::kF8E5M2, -0.0, true)));
  EXPECT_EQ(cast(DType::kF4E2M1, -kInf, false), -6);
}

TEST(SmallFloat, PowersOfTwoRoundAsAsked) {
  const auto bits = [](double value, bool saturate, E8M0Rounding rounding) {
    return int(double_to_small_float(DType::kF8E8M0, value, saturate, rounding));
  };
  EXPECT_EQ(bits(1.1, true, E8M0Rounding::kUp), 128);
  EXPECT_EQ(bits(1.9, true, E8M0Rounding::kDown), 127);
  EXPECT_EQ(bits(1.5, true, E8M0Rounding::kNearest), 128);
  EXPECT_EQ(bits(1.4, true, E8M0Rounding::kNearest), 127);
  EXPECT_EQ(bits(0, true, E8M0Rounding::kUp), 0);
  EXPECT_EQ(bits(0, false, E8M0Rounding::kNearest), 255);
  EXPECT_EQ(bits(kInf, true, E8M0Rounding::kUp), 254);
  EXPECT_EQ(bits(0x1.8p127, true, E8M0Rounding::kUp), 254);
  EXPECT_EQ(bits(0x1.8p127, false, E8M0Rounding::kUp), 255);
  EXPECT_EQ(bits(kNan, true, E8M0Rounding::kUp), 255);
}

TEST(Half, DoublesAreRoundedOnce) {
  const double just_above_a_tie = 1 + 0x1p-11 + 0x1p-40;
  EXPECT_EQ(half_to_float(double_to_half(just_above_a_tie)), 1 + 0x1p-10);
  EXPECT_EQ(half_to_float(double_to_half(-just_above_a_tie)), -1 - 0x1p-10);
  EXPECT_EQ(bfloat16_to_float(double_to_bfloat16(1 + 0x1p-8 + 0x1p-40)), 1 + 0x1p-7);
  EXPECT_EQ(half_to_float(double_to_half(1e300)), kInf);
  EXPECT_EQ(half_to_float(double_to_half(1e-300)), 0);
  EXPECT_TRUE(std::isnan(half_to_float(double_to_half(kNan))));
}

}  // namespace
}  // namespace vulcap::core
