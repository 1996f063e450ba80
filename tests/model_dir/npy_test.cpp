#include "loader/npy.h"

#include <gtest/gtest.h>

#include "tests/onnx/model_builder.h"

namespace vulcap::loader {
namespace {

using namespace onnx_test;
using core::DType;

// As numpy.save writes it.
std::string npy(const std::string& dict, const std::string& data, char version = 1) {
  std::string header = dict;
  const size_t start = version == 1 ? 10 : 12;
  while ((start + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string bytes =
      std::string("\x93NUMPY") + version + '\0' + char(header.size() & 255) + char(header.size() >> 8);
  if (version > 1) bytes += std::string(2, '\0');
  return bytes + header + data;
}

class Npy : public testing::Test {
 protected:
  core::Tensor read(const std::string& bytes) { return read_npy(write_file(folder_ / "a.npy", bytes)); }
  void expect_error(const std::string& bytes, const std::string& part) {
    const std::string message = error_of([&] { read(bytes); });
    EXPECT_NE(message.find("a.npy: "), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  TempFolder folder_;
};

TEST_F(Npy, ReadsWhatNumpyWrites) {
  const std::string one(std::string("\0\0\x80\x3f", 4));
  for (char version : {1, 2, 3}) {
    const core::Tensor tensor =
        read(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", one + one, version));
    EXPECT_EQ(tensor.shape(), (core::Shape{1, 2}));
    EXPECT_EQ(tensor.as<float>()[1], 1.0f);
  }
  EXPECT_EQ(read(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", one)).shape(), core::Shape{});
  EXPECT_EQ(read(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (0,), }", "")).shape(),
            core::Shape{0});
  EXPECT_EQ(read(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "\x01\x01")).dtype(),
            DType::kBool);
}

TEST_F(Npy, UnalignedHeader) {
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
  const std::string bytes = std::string("\x93NUMPY\x01", 7) + '\0' + char(dict.size()) + '\0' + dict +
                            std::string("\0\0\x80\x3f", 4);
  EXPECT_EQ(read(bytes).as<float>()[0], 1.0f);
}

TEST_F(Npy, RoundTrip) {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kF64, DType::kI64, DType::kI32, DType::kI16,
                      DType::kI8, DType::kU64, DType::kU32, DType::kU16, DType::kU8, DType::kBool}) {
    core::Tensor tensor(dtype, {2, 3, 1});
    for (size_t i = 0; i < tensor.bytes().size(); ++i) tensor.mutable_bytes()[i] = std::byte(i % 2);
    write_npy(folder_ / "b.npy", tensor);
    const core::Tensor back = read_npy(folder_ / "b.npy");
    EXPECT_EQ(back.dtype(), dtype);
    EXPECT_EQ(back.shape(), tensor.shape());
    EXPECT_TRUE(
        std::equal(back.bytes().begin(), back.bytes().end(), tensor.bytes().begin(), tensor.bytes().end()));
    EXPECT_TRUE(back.file_backed());
  }
  EXPECT_NE(error_of([&] {
              write_npy(folder_ / "b.npy", core::Tensor(DType::kBF16, {1}));
            }).find("NumPy has no dtype"),
            std::string::npos);
  EXPECT_NE(
      error_of([&] { write_npy(folder_ / "no/b.npy", core::Tensor(DType::kF32, {1})); }).find("written"),
      std::string::npos);
}

TEST_F(Npy, Refusals) {
  const auto with = [](const std::string& descr, const std::string& order, const std::string& shape) {
    return npy("{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }",
               "1234");
  };
  expect_error("", "is not a .npy file");
  expect_error("PNG\n........", "is not a .npy file");
  expect_error(with(">f4", "False", "(1,)"), "unsupported .npy dtype");
  expect_error(with("<c8", "False", "(1,)"), "unsupported .npy dtype");
  expect_error(with("<f4", "True", "(1, 1)"), "Fortran order");
  expect_error(with("<f4", "False", "(2,)"), "shape [2] needs 8 bytes but 4 are there");
  expect_error(with("<f4", "False", "(-1,)"), "shape");
  expect_error(with("<f4", "False", "(x,)"), "shape");
  expect_error(with("<f4", "False", "[1]"), "shape");
  expect_error(with("<f4", "False", "(9223372036854775807, 4)"), "too large");
  expect_error(with("<f4", "False", "(1,").substr(0, 60), "");
  expect_error(npy("{'descr': '<f4', 'shape': (1,), }", "1234"), "no fortran_order");
  expect_error(std::string("\x93NUMPY\x09\0\0\0", 10), "unknown .npy version");
  expect_error(std::string("\x93NUMPY\x02\0\xff\xff\xff\xff", 12), "truncated .npy header");
  EXPECT_NE(error_of([&] { read_npy(folder_ / "absent.npy"); }).find("file not found"), std::string::npos);
}

}  // namespace
}  // namespace vulcap::loader
