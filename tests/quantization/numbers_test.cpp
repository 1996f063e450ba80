// Numbers in fewer bits against what ONNX Runtime's quantisers make of the same matrix
// (tests/generators/quantization.py).
#include <gtest/gtest.h>

#include "loader/conversion/quantization/affine.h"
#include "loader/conversion/quantization/blocks.h"
#include "loader/npy.h"
#include "runtime/core/half.h"

namespace vulcap::quantization {
namespace {

using core::DType;
using core::Tensor;

Tensor golden(const std::string& name) {
  return loader::read_npy(std::string(VULCAP_TEST_DATA) + "/quantization/numbers/" + name + ".npy");
}

void expect_equal(const Tensor& got, const Tensor& want) {
  EXPECT_EQ(got.dtype(), want.dtype());
  EXPECT_EQ(got.shape(), want.shape());
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got.at_f64(i), want.at_f64(i)) << i;
}

Tensor transposed(const Tensor& matrix) {
  const int64_t rows = matrix.shape()[0], columns = matrix.shape()[1];
  Tensor result(DType::kF32, {columns, rows});
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      result.mutable_as<float>()[size_t(c * rows + r)] = matrix.as<float>()[size_t(r * columns + c)];
  return result;
}

class Blocks : public testing::TestWithParam<bool> {
 protected:
  Tensor matrix_ = GetParam() ? transposed(golden("matrix")) : golden("matrix");
};

TEST_P(Blocks, SymmetricOfFourBits) {
  const NBitBlocks blocks = n_bit_blocks({matrix_, GetParam()}, 32, true);
  expect_equal(blocks.numbers, golden("q4_symmetric_numbers"));
  expect_equal(blocks.scales, golden("q4_symmetric_scales"));
  EXPECT_EQ(blocks.zero_points.size(), 0u);
}

TEST_P(Blocks, AsymmetricOfFourBits) {
  const NBitBlocks blocks = n_bit_blocks({matrix_, GetParam()}, 32, false);
  expect_equal(blocks.numbers, golden("q4_asymmetric_numbers"));
  expect_equal(blocks.scales, golden("q4_asymmetric_scales"));
  expect_equal(blocks.zero_points, golden("q4_asymmetric_zero_points"));
}

TEST_P(Blocks, Nf4) {
  const Nf4Blocks blocks = nf4_blocks({matrix_, GetParam()}, 64);
  expect_equal(blocks.numbers, golden("nf4_numbers"));
  expect_equal(blocks.scales, golden("nf4_scales"));
}

INSTANTIATE_TEST_SUITE_P(Stored, Blocks, testing::Values(false, true),
                         [](const auto& test) { return test.param ? "Transposed" : "Plain"; });

TEST(Blocks, OfHalfPrecisionKeepTheirType) {
  const Tensor half = core::to_half(golden("matrix"));
  const NBitBlocks blocks = n_bit_blocks({half}, 32, true);
  EXPECT_EQ(blocks.scales.dtype(), DType::kF16);
  EXPECT_EQ(nf4_blocks({half}, 64).scales.dtype(), DType::kF16);
  const double scale = blocks.scales.at_f64(0);
  for (size_t k = 0; k < 32; ++k) {
    const int nibble = (blocks.numbers.as<uint8_t>()[k / 2] >> (k % 2 * 4)) & 15;
    // The end opposite to the largest magnitude is cut by up to a step.
    EXPECT_NEAR((nibble - 8) * scale, half.at_f64(k * 5), std::abs(scale) * 1.01) << k;
  }
}

struct AffineCase {
  const char* name;
  AffineForm form;
};

class Affine : public testing::TestWithParam<AffineCase> {};

TEST_P(Affine, EqualsOnnxRuntime) {
  const AffineTensor made = quantize_affine(golden("matrix"), GetParam().form);
  const std::string name = GetParam().name;
  expect_equal(made.scales, golden(name + "_scales"));
  expect_equal(made.zero_points, golden(name + "_zero_points"));
  expect_equal(made.numbers, golden(name + "_numbers"));
}

INSTANTIATE_TEST_SUITE_P(Forms, Affine,
                         testing::Values(AffineCase{"int8_symmetric", {DType::kI8, true}},
                                         AffineCase{"int8_asymmetric", {DType::kI8, false}},
                                         AffineCase{"int8_symmetric_reduced", {DType::kI8, true, true}},
                                         AffineCase{"uint8_asymmetric", {DType::kU8, false}},
                                         AffineCase{"uint8_asymmetric_reduced", {DType::kU8, false, true}}),
                         [](const auto& test) { return test.param.name; });

TEST(Affine, HasAScaleForEachColumn) {
  const Tensor matrix = golden("matrix");
  const AffineTensor made = quantize_affine(matrix, {DType::kI8, true, false, 1});
  ASSERT_EQ(made.scales.shape(), (core::Shape{5}));
  for (size_t i = 0; i < matrix.size(); ++i) {
    const double scale = made.scales.at_f64(i % 5);
    EXPECT_NEAR(made.numbers.at_f64(i) * scale, matrix.at_f64(i), scale * 0.51) << i;
  }
}

}  // namespace
}  // namespace vulcap::quantization
