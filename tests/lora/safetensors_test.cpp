#include "loader/lora/safetensors.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/lora/adapter_files.h"

namespace vulcap::lora {
namespace {

using onnx_test::error_of;
using onnx_test::TempFolder;
using onnx_test::write_file;

class Safetensors : public testing::Test {
 protected:
  std::map<std::string, core::Tensor> read(const std::string& bytes) {
    return read_safetensors(write_file(folder_ / "a.safetensors", bytes));
  }
  void expect_error(const std::string& header, const std::string& data, const std::string& part) {
    const std::string message = error_of([&] { read(lora_test::safetensors_bytes(header, data)); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_TRUE(message.starts_with((folder_ / "a.safetensors").string() + ": ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }

  TempFolder folder_;
};

TEST_F(Safetensors, ReadsTensorsAtAnyAddress) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
      R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[1,9]},"e":{"dtype":"BF16","shape":[0],)"
      R"("data_offsets":[9,9]}})";
  const float numbers[2] = {1.5f, -2.0f};
  const auto tensors = read(lora_test::safetensors_bytes(
      header, "\x07" + std::string(reinterpret_cast<const char*>(numbers), sizeof numbers)));
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors.at("b").at_i64(0), 7);
  EXPECT_EQ(tensors.at("a").shape(), (core::Shape{1, 2}));
  EXPECT_EQ(tensors.at("a").at_f64(1), -2.0);
  EXPECT_EQ(tensors.at("e").size(), 0u);
}

TEST_F(Safetensors, RefusesWhatDisagrees) {
  const auto entry = [](const char* shape, const char* offsets) {
    return std::string(R"("x":{"dtype":"F32","shape":)") + shape + R"(,"data_offsets":)" + offsets + "}";
  };
  expect_error("{" + entry("[2]", "[0,4]") + "}", "1234", "needs 8 bytes");
  expect_error("{" + entry("[1]", "[0,4]") + "}", "123", "truncated");
  expect_error("{" + entry("[1]", "[0,4]") + "}", "12345", "hold");
  expect_error("{" + entry("[1]", "[4,8]") + "}", "12345678", "begins at byte 4");
  expect_error("{" + entry("[1]", "[4,0]") + "}", "1234", "[begin, end]");
  expect_error("{" + entry("[-1]", "[0,4]") + "}", "1234", "numbers from 0");
  expect_error("{" + entry("[4611686018427387904,8]", "[0,4]") + "}", "1234", "'x'");
  expect_error(R"({"x":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", "1234", "F31");
  expect_error(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", "1234", "more");
  expect_error("{" + entry("[1]", "[0,4]") + ",\"y\":" + entry("[1]", "[2,6]").substr(4) + "}", "123456",
               "begins at byte 2");
  expect_error("[]", "", "not JSON");
  expect_error("{\"x\":", "", "not valid JSON");
  expect_error("{\"x\":" + std::string(2000, '[') + "}", "", "deep");
}

TEST_F(Safetensors, RefusesOtherFiles) {
  EXPECT_NE(error_of([&] { read("abc"); }).find("too short"), std::string::npos);
  EXPECT_NE(error_of([&] { read("version https://git-lfs.github.com/spec/v1"); }).find("Git LFS"),
            std::string::npos);
  EXPECT_NE(error_of([&] { read(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)); }).find("announces"),
            std::string::npos);
  EXPECT_NE(error_of([&] { read_safetensors(folder_ / "none"); }).find("not found"), std::string::npos);
}

// Seeded damage: read or refused, and what was read is safe to walk.
TEST_F(Safetensors, DamageIsReadOrRefused) {
  const std::string original = lora_test::safetensors_bytes(lora_test::factors("fc", 5, 4));
  std::mt19937 random(11);
  int refused = 0, walked = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = original;
    for (unsigned i = 0; i < 1 + random() % 3; ++i) {
      const size_t at = random() % std::min<size_t>(bytes.size(), round % 2 ? 24 : 200);
      if (random() % 3 == 0)
        bytes.erase(at, 1 + random() % 4);
      else
        bytes[at] = random() % 2 ? char('0' + random() % 10) : char(random());
    }
    try {
      double sum = 0;
      for (const auto& [name, tensor] : read(bytes))
        for (size_t i = 0; i < tensor.size() && core::dtype_bits(tensor.dtype()) >= 8; ++i)
          sum += tensor.at_f64(i);
      walked += sum == 0 ? 0 : 1;
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel);
      EXPECT_LT(error.message().size(), 1000u);
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
  EXPECT_GT(walked, 0);
}

}  // namespace
}  // namespace vulcap::lora
