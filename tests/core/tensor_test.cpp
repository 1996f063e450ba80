#include "runtime/core/tensor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/core/error.h"
#include "runtime/core/half.h"

namespace vulcap::core {
namespace {

TEST(DType, NamesAndSizes) {
  const struct {
    DType dtype;
    const char* name;
    size_t bits;
  } rows[] = {{DType::kF32, "f32", 32},     {DType::kF16, "f16", 16}, {DType::kBF16, "bf16", 16},
              {DType::kF64, "f64", 64},     {DType::kI64, "i64", 64}, {DType::kI32, "i32", 32},
              {DType::kI16, "i16", 16},     {DType::kI8, "i8", 8},    {DType::kU64, "u64", 64},
              {DType::kU32, "u32", 32},     {DType::kU16, "u16", 16}, {DType::kU8, "u8", 8},
              {DType::kBool, "bool", 8},    {DType::kU4, "u4", 4},    {DType::kI4, "i4", 4},
              {DType::kU2, "u2", 2},        {DType::kI2, "i2", 2},    {DType::kF8E5M2, "f8e5m2", 8},
              {DType::kF4E2M1, "f4e2m1", 4}};
  for (const auto& row : rows) {
    EXPECT_EQ(dtype_name(row.dtype), row.name);
    EXPECT_EQ(dtype_from_name(row.name), row.dtype);
    EXPECT_EQ(dtype_bits(row.dtype), row.bits) << row.name;
    EXPECT_EQ(dtype_bytes(row.dtype, 3), (3 * row.bits + 7) / 8) << row.name;
    EXPECT_EQ(dtype_bytes(row.dtype, 0), 0u);
  }
  EXPECT_EQ(dtype_from_name("float"), DType::kUndefined);
  EXPECT_EQ(dtype_bits(DType::kString), 0u);
  EXPECT_TRUE(dtype_is_float(DType::kBF16));
  EXPECT_FALSE(dtype_is_float(DType::kI8));
  EXPECT_TRUE(dtype_is_integer(DType::kI4));
  EXPECT_FALSE(dtype_is_integer(DType::kBool));
  EXPECT_TRUE(dtype_is_signed(DType::kI2));
  EXPECT_FALSE(dtype_is_signed(DType::kU2));
  EXPECT_TRUE(dtype_is_float(DType::kF8E8M0));
}

TEST(Shape, CountsElements) {
  EXPECT_EQ(element_count({}), 1u);
  EXPECT_EQ(element_count({2, 3, 5}), 30u);
  EXPECT_EQ(element_count({7, 0, 3}), 0u);
  EXPECT_EQ(shape_text(Shape{2, 3}), "[2,3]");
  EXPECT_EQ(shape_text(Shape{}), "[]");
}

TEST(Shape, RefusesNegativeAndHugeSizes) {
  for (const Shape& shape : {Shape{-1}, Shape{2, -3}, Shape{int64_t(1) << 32, int64_t(1) << 32},
                             Shape{INT64_MAX, INT64_MAX}, Shape{INT64_MIN}}) {
    try {
      element_count(shape);
      ADD_FAILURE() << shape_text(shape);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
      EXPECT_NE(error.message().find(shape_text(shape)), std::string::npos);
    }
  }
}

TEST(Tensor, OwnsZeros) {
  const Tensor tensor(DType::kF32, {2, 3});
  EXPECT_EQ(tensor.size(), 6u);
  EXPECT_EQ(tensor.bytes().size(), 24u);
  EXPECT_FALSE(tensor.file_backed());
  for (float value : tensor.as<float>()) EXPECT_EQ(value, 0.0f);
}

TEST(Tensor, ReadsEveryDType) {
  const auto check = [](const Tensor& tensor, double first, double second) {
    EXPECT_EQ(tensor.at_f64(0), first) << dtype_name(tensor.dtype());
    EXPECT_EQ(tensor.at_f64(1), second) << dtype_name(tensor.dtype());
    EXPECT_EQ(tensor.at_i64(1), int64_t(second)) << dtype_name(tensor.dtype());
  };
  check(Tensor::from<float>(DType::kF32, {2}, {0.5f, -3}), 0.5, -3);
  check(Tensor::from<double>(DType::kF64, {2}, {0.1, 7}), 0.1, 7);
  check(Tensor::from<uint16_t>(DType::kF16, {2}, {float_to_half(0.25f), float_to_half(-2)}), 0.25, -2);
  check(Tensor::from<uint16_t>(DType::kBF16, {2}, {float_to_bfloat16(1.5f), float_to_bfloat16(4)}), 1.5, 4);
  check(Tensor::from<int64_t>(DType::kI64, {2}, {-1, int64_t(1) << 40}), -1, double(int64_t(1) << 40));
  check(Tensor::from<int32_t>(DType::kI32, {2}, {-1, 70000}), -1, 70000);
  check(Tensor::from<uint32_t>(DType::kU32, {2}, {4294967295u, 1}), 4294967295.0, 1);
  check(Tensor::from<int16_t>(DType::kI16, {2}, {-300, 2}), -300, 2);
  check(Tensor::from<uint16_t>(DType::kU16, {2}, {65535, 2}), 65535, 2);
  check(Tensor::from<int8_t>(DType::kI8, {2}, {-128, 127}), -128, 127);
  check(Tensor::from<uint8_t>(DType::kU8, {2}, {255, 1}), 255, 1);
  check(Tensor::from<uint8_t>(DType::kBool, {2}, {1, 0}), 1, 0);
  check(Tensor::from<uint64_t>(DType::kU64, {2}, {uint64_t(1) << 63, 9}), 9223372036854775808.0, 9);
  check(Tensor::from<uint8_t>(DType::kU4, {3}, {0x2f, 0x01}), 15, 2);
  check(Tensor::from<uint8_t>(DType::kI4, {3}, {0x7f, 0x01}), -1, 7);
  check(Tensor::from<uint8_t>(DType::kU2, {3}, {0x1b}), 3, 2);
  check(Tensor::from<uint8_t>(DType::kI2, {3}, {0x1b}), -1, -2);
  check(Tensor::from<uint8_t>(DType::kF8E4M3FN, {2}, {0xfe, 0x38}), -448, 1);
  check(Tensor::from<uint8_t>(DType::kF8E8M0, {2}, {126, 130}), 0.5, 8);
  check(Tensor::from<uint8_t>(DType::kF4E2M1, {2}, {0x71}), 0.5, 6);
}

TEST(Tensor, ReshapesWithoutCopy) {
  const Tensor tensor = Tensor::from<float>(DType::kF32, {2, 3}, {0, 1, 2, 3, 4, 5});
  const Tensor other = tensor.reshaped({3, 2});
  EXPECT_EQ(other.shape(), (Shape{3, 2}));
  EXPECT_EQ(other.bytes().data(), tensor.bytes().data());
  EXPECT_EQ(other.at_f64(5), 5);
}

TEST(Tensor, PointsAtForeignBytesAndKeepsTheOwner) {
  auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2});
  const std::weak_ptr<std::vector<float>> watch = owner;
  {
    const Tensor tensor(DType::kF32, {2}, std::as_bytes(std::span(*owner)), owner, true);
    owner.reset();
    EXPECT_TRUE(tensor.file_backed());
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(tensor.at_f64(1), 2);
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Tensor, RefusesBytesThatDoNotFit) {
  const std::vector<std::byte> bytes(7);
  EXPECT_THROW(Tensor(DType::kF32, {2}, bytes, nullptr, false), Error);
  EXPECT_THROW(Tensor(DType::kU4, {12}, bytes, nullptr, false), Error);
  EXPECT_NO_THROW(Tensor(DType::kU4, {13}, bytes, nullptr, false));
}

}  // namespace
}  // namespace vulcap::core
