#include "loader/conversion/quantization/calibration/calibrate.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "loader/model_dir.h"
#include "loader/onnx/model.h"
#include "runtime/core/error.h"
#include "runtime/graph/text.h"
#include "runtime/session/session.h"
#include "tests/session/tensors.h"

namespace vulcap::quantization {
namespace {

namespace fs = std::filesystem;

// A device that shows an observer what it runs.
session::Device watched(ProductObserver& observer) {
  return session::Device(
      std::make_shared<WatchedBackend>(test::cpu_device().backend(),
                                       [&](const WatchedCall& call) { observer.see(call); }),
      test::cpu_device().host());
}

const core::Tensor& weight_of(const graph::Graph& graph) {
  return *graph.value(graph.find_value("w")).constant;
}

Range everything(const Histogram& seen) { return {seen.min(), seen.max()}; }

void expect_range(const Histogram& seen, const core::Tensor& tensor) {
  const auto numbers = tensor.as<float>();
  const auto [low, high] = std::minmax_element(numbers.begin(), numbers.end());
  EXPECT_EQ(float(everything(seen).low), *low);
  EXPECT_EQ(float(everything(seen).high), *high);
}

struct Product {
  std::string name, text;
  core::Shape x;
  bool is_conv;
};

class Products : public ::testing::TestWithParam<Product> {};

// What enters, and of convolutions what comes out, whatever the passes make of them.
TEST_P(Products, AreSeen) {
  ProductObserver observer;
  session::Device device = watched(observer);
  const graph::Graph graph = graph::parse_text(GetParam().text);
  passes::PassOptions passes;
  passes.disabled = {"conv_to_linear", "fuse_conv"};
  session::Session session(device, graph, passes);
  const core::Tensor x = test::random_tensor(core::DType::kF32, GetParam().x, 7);
  const auto outputs = session.run({{"x", x}});
  const ProductObserver::Seen* seen = observer.of(weight_of(graph));
  ASSERT_NE(seen, nullptr);
  expect_range(seen->operand, x);
  EXPECT_EQ(seen->result.count() > 0, GetParam().is_conv);
  if (GetParam().is_conv) expect_range(seen->result, outputs.at("c"));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Products,
    ::testing::Values(
        Product{"MatMul",
                "graph(%x: f32[2,3,5]) {\n const %w: f32[5,7] = ?\n %y = MatMul(%x, %w)\n return %y\n}",
                {2, 3, 5},
                false},
        Product{
            "MatMulThenGelu",
            "graph(%x: f32[4,5]) {\n const %w: f32[5,7] = ?\n const %b: f32[7] = ?\n %m = MatMul(%x, %w)\n"
            " %a = Add(%m, %b)\n %y = Relu(%a)\n return %y\n}",
            {4, 5},
            false},
        Product{
            "Gemm",
            "graph(%x: f32[4,5]) {\n const %w: f32[7,5] = ?\n %y = Gemm(%x, %w) {transB=1}\n return %y\n}",
            {4, 5},
            false},
        Product{"Conv",
                "graph(%x: f32[2,3,6,6]) {\n const %w: f32[4,3,2,2] = ?\n const %b: f32[4] = ?\n"
                " %c = Conv(%x, %w, %b) {strides=[2,2]}\n %y = Relu(%c)\n return %y, %c\n}",
                {2, 3, 6, 6},
                true},
        Product{"Pointwise",
                "graph(%x: f32[1,3,4,4]) {\n const %w: f32[5,3,1,1] = ?\n %c = Conv(%x, %w)\n return %c\n}",
                {1, 3, 4, 4},
                true},
        Product{"Depthwise",
                "graph(%x: f32[1,3,5,5]) {\n const %w: f32[3,1,3,3] = ?\n %c = Conv(%x, %w) {group=3}\n"
                " return %c\n}",
                {1, 3, 5, 5},
                true},
        Product{"Patches",
                "graph(%x: f32[1,3,8,8]) {\n const %w: f32[6,3,4,4] = ?\n const %s: i64[3] = {1, 6, 4}\n"
                " %c = Conv(%x, %w) {strides=[4,4]}\n %r = Reshape(%c, %s)\n"
                " %y = Transpose(%r) {perm=[0,2,1]}\n return %y, %c\n}",
                {1, 3, 8, 8},
                true}),
    [](const auto& test) { return test.param.name; });

TEST(ProductObserver, ProductsOfActivationsAreNone) {
  ProductObserver observer;
  session::Device device = watched(observer);
  session::Session session(device, graph::parse_text("graph(%x: f32[2,3], %z: f32[3,4]) {\n"
                                                     " %y = MatMul(%x, %z)\n return %y\n}"));
  session.run({{"x", test::random_tensor(core::DType::kF32, {2, 3}, 1)},
               {"z", test::random_tensor(core::DType::kF32, {3, 4}, 2)}});
  EXPECT_EQ(observer.weights(), 0u);
}

class Calibrating : public ::testing::Test {
 protected:
  static fs::path model() { return fs::path(VULCAP_SOURCE_DIR) / "models/scenes-vit-gpt2"; }
  static fs::path images() { return model() / "expected/images"; }
};

// Every matrix and filter of the embedded model is met, in whatever branch and graph it stands.
TEST_F(Calibrating, ReachesTheWeightsOfAModelFolder) {
  const auto samples = conversion::Samples::read(images(), 2);
  const Calibration calibration = calibrate(model(), samples, {});
  int products = 0, without = 0;
  for (const char* file : {"encoder_model.onnx", "decoder_model_merged.onnx"}) {
    const onnx::ModelDef definition =
        onnx::read_model(loader::list_onnx_files(model()).front().path.parent_path() / file);
    for (const onnx::Initializer& item : definition.graph.initializers) {
      if (item.tensor.dtype() != core::DType::kF32 || item.tensor.shape().size() < 2) continue;
      if (item.name.find("position") != std::string::npos || item.name.find("wte") != std::string::npos ||
          item.name.find("wpe") != std::string::npos || item.name.find("token") != std::string::npos)
        continue;
      ++products;
      const auto range = calibration.operand(item.tensor);
      if (!range) {
        ++without;
        ADD_FAILURE() << file << ": nothing was seen of " << item.name
                      << core::shape_text(item.tensor.shape());
      } else {
        EXPECT_LT(range->low, range->high) << item.name;
      }
    }
  }
  EXPECT_GT(products, 10);
  EXPECT_EQ(without, 0);
}

TEST_F(Calibrating, SamplesThatAreNoneAreRefused) {
  const fs::path empty = fs::path(testing::TempDir()) / "calibration_empty";
  fs::create_directories(empty);
  const auto message = [](const fs::path& path) -> std::string {
    try {
      conversion::Samples::read(path);
    } catch (const core::Error& error) {
      return error.message();
    }
    return "";
  };
  EXPECT_NE(message(empty).find("has no PNG or JPEG files"), std::string::npos);
  EXPECT_NE(message(empty / "nope").find("no such"), std::string::npos);
  std::ofstream(empty / "lines.txt") << "\n\n";
  EXPECT_NE(message(empty / "lines.txt").find("no lines"), std::string::npos);
  std::ofstream(empty / "lines.txt") << "a cat\r\n\nb\n";
  const auto samples = conversion::Samples::read(empty / "lines.txt");
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0], "a cat");
  EXPECT_THROW(calibrate(model(), samples, {}), core::Error) << "a captioner takes no texts";
}

}  // namespace
}  // namespace vulcap::quantization
