#include "loader/conversion/quantization/calibration/range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/core/error.h"
#include "tests/session/tensors.h"

namespace vulcap::quantization {
namespace {

Histogram of(const std::vector<float>& values) {
  Histogram histogram;
  histogram.add(values);
  return histogram;
}

// Roughly normal, by sums of twelve.
std::vector<float> bell(size_t count, uint32_t seed) {
  test::Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) {
    for (int i = 0; i < 12; ++i) value += random.real() / 2;
  }
  return values;
}

TEST(Histogram, CountsEveryNumberOnce) {
  const std::vector<float> values{0, -0.25f, 0.25f, 3, -3, 1e-30f, 2047.9f, -2048};
  const Histogram histogram = of(values);
  EXPECT_EQ(histogram.count(), values.size());
  EXPECT_EQ(histogram.width(), 1);
  EXPECT_EQ(histogram.min(), -2048);
  EXPECT_FLOAT_EQ(float(histogram.max()), 2047.9f);
  EXPECT_EQ(histogram.in_bin(0), 3u);
  EXPECT_EQ(histogram.in_bin(-1), 1u);
  EXPECT_EQ(histogram.in_bin(3), 1u);
  EXPECT_EQ(histogram.in_bin(-3), 1u);
  EXPECT_EQ(histogram.in_bin(2047), 1u);
  EXPECT_EQ(histogram.in_bin(-2048), 1u);
}

TEST(Histogram, TheOrderOfNumbersDoesNotMatter) {
  std::vector<float> values = bell(5000, 3);
  values.push_back(40);
  const Histogram once = of(values);
  std::sort(values.begin(), values.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
  Histogram apart;
  for (const float value : values) apart.add({&value, 1});
  ASSERT_EQ(apart.width(), once.width());
  for (int bin = -Histogram::kHalf; bin < Histogram::kHalf; ++bin)
    ASSERT_EQ(apart.in_bin(bin), once.in_bin(bin)) << bin;
}

TEST(Histogram, RefusesWhatIsNoNumber) {
  EXPECT_THROW(of({1, std::numeric_limits<float>::infinity()}), core::Error);
  EXPECT_THROW(of({std::nanf("")}), core::Error);
}

TEST(Range, MinMaxHoldsZero) {
  EXPECT_EQ(min_max_range(of({2, 5})).low, 0);
  EXPECT_EQ(min_max_range(of({2, 5})).high, 5);
  EXPECT_EQ(min_max_range(of({-2, -5})).high, 0);
  EXPECT_EQ(min_max_range(Histogram()).high, 0);
}

TEST(Range, PercentileLeavesOutTheRarestAtBothEnds) {
  std::vector<float> values;
  for (int i = -10000; i <= 10000; ++i) values.push_back(float(i) / 100);
  values.push_back(1000);
  values.push_back(-1000);
  const Range all = percentile_range(of(values), 100);
  EXPECT_EQ(all.low, -1000);
  EXPECT_EQ(all.high, 1000);
  // 100 numbers of each end are left out: one that is far and 99 that are 0.01 apart.
  const Range most = percentile_range(of(values), 99);
  EXPECT_NEAR(most.high, 99.01, of(values).width());
  EXPECT_NEAR(most.low, -99.01, of(values).width());
}

TEST(Range, PercentileOfOneSignKeepsZeroAtItsEnd) {
  std::vector<float> values;
  for (int i = 1; i <= 10000; ++i) values.push_back(float(i));
  const Range range = percentile_range(of(values), 99);
  EXPECT_EQ(range.low, 0);
  EXPECT_NEAR(range.high, 9950, of(values).width());
}

TEST(Range, EntropyCutsOffWhatIsRare) {
  std::vector<float> values = bell(200000, 1);
  const double widest = min_max_range(of(values)).high;
  values.push_back(60);
  const Range range = entropy_range(of(values));
  EXPECT_LT(range.high, 1.5 * widest);
  EXPECT_GT(range.high, 0.5 * widest);
}

TEST(Range, EntropyKeepsWhatIsEven) {
  test::Random random(5);
  std::vector<float> values(200000);
  for (float& value : values) value = 3 * random.real();
  const Range range = entropy_range(of(values));
  EXPECT_GT(range.high, 2.9);
  EXPECT_LT(range.low, -2.9);
}

TEST(Range, EntropyOfFewNumbersIsAllOfThem) {
  EXPECT_EQ(entropy_range(of({0, 0, 0})).high, 0);
  EXPECT_EQ(entropy_range(Histogram()).high, 0);
  EXPECT_EQ(entropy_range(of({5, 5, 5, 5})).high, 5);
}

TEST(Range, MethodsAreKnownByName) {
  EXPECT_EQ(parse_range_method("entropy"), RangeMethod::kEntropy);
  EXPECT_THROW(parse_range_method("mse"), core::Error);
}

}  // namespace
}  // namespace vulcap::quantization
