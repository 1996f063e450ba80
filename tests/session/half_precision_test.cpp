// fp32 files run in half precision: answers within 1e-2 of the output's range, and weights of half the size.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "loader/onnx/import.h"
#include "loader/onnx/model.h"
#include "runtime/session/session.h"
#include "tests/session/tensors.h"

namespace vulcap::session {
namespace {

const std::string kFolder = std::string(VULCAP_TEST_DATA) + "/vit-gpt2/";

NamedTensors read_set(const std::string& stem, const std::string& prefix) {
  NamedTensors tensors;
  for (const auto& entry :
       std::filesystem::directory_iterator(kFolder + "expected/graphs/" + stem + "/test_data_set_0")) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    onnx::Initializer item = onnx::read_tensor_file(entry.path());
    tensors[item.name] = std::move(item.tensor);
  }
  return tensors;
}

double range_of(const core::Tensor& tensor) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (size_t i = 0; i < tensor.size(); ++i) {
    low = std::min(low, tensor.at_f64(i));
    high = std::max(high, tensor.at_f64(i));
  }
  return high - low;
}

class HalfPrecision : public testing::TestWithParam<const char*> {};

TEST_P(HalfPrecision, StaysNearTheFullAnswer) {
  passes::PassOptions options;
  options.half = true;
  Session session(test::cpu_device(), onnx::load_graph(kFolder + GetParam() + std::string(".onnx")), options);
  const NamedTensors outputs = session.run(read_set(GetParam(), "input_"));
  const NamedTensors expected = read_set(GetParam(), "output_");
  ASSERT_FALSE(expected.empty());
  double difference = 0;
  for (const auto& [name, want] : expected) {
    const core::Tensor& got = outputs.at(name);
    ASSERT_EQ(got.dtype(), want.dtype()) << name;
    ASSERT_EQ(got.shape(), want.shape()) << name;
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(got.at_f64(i), want.at_f64(i), 1e-2 * range_of(want)) << name << " at " << i;
      difference = std::max(difference, std::abs(got.at_f64(i) - want.at_f64(i)));
    }
  }
  EXPECT_GT(difference, 1e-6) << "nothing ran in half precision";
}

TEST_P(HalfPrecision, KeepsMatricesInHalf) {
  passes::PassOptions options;
  options.half = true;
  Session session(test::cpu_device(), onnx::load_graph(kFolder + GetParam() + std::string(".onnx")), options);
  session.run(read_set(GetParam(), "input_"));
  size_t matrices = 0;
  for (const plan::Plan* plan : session.plans()) {
    for (const plan::ConstantSlot& slot : plan->constants) {
      if (slot.request.layout == ops::WeightLayout::kPlain) continue;
      ++matrices;
      EXPECT_EQ(slot.dtype, core::DType::kF16) << slot.name;
    }
  }
  EXPECT_GT(matrices, 0u);
}

INSTANTIATE_TEST_SUITE_P(Golden, HalfPrecision, testing::Values("encoder_model", "decoder_model"));

TEST(ToHalf, SaturatesFiniteNumbers) {
  const auto half = core::to_half(core::Tensor::from<float>(
      core::DType::kF32, {4}, {1e9f, -3.4e38f, std::numeric_limits<float>::infinity(), 1.5f}));
  EXPECT_EQ(half.at_f64(0), 65504.0);
  EXPECT_EQ(half.at_f64(1), -65504.0);
  EXPECT_EQ(half.at_f64(2), std::numeric_limits<double>::infinity());
  EXPECT_EQ(half.at_f64(3), 1.5);
}

}  // namespace
}  // namespace vulcap::session
