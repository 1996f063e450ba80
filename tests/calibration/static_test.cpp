// Calibrated files: they answer as ONNX Runtime answers for them (tests/generators/calibration.py), and their
// folders say what the fp32 folders say.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "loader/conversion/quantization/answers.h"
#include "loader/conversion/quantization/calibration/calibrate.h"
#include "loader/conversion/quantization/quantize.h"
#include "loader/conversion/quantization/report.h"
#include "loader/onnx/model.h"
#include "loader/verify/verify.h"
#include "runtime/core/error.h"
#include "runtime/session/open_device.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::quantization {
namespace {

namespace fs = std::filesystem;
using onnx_test::TempFolder;

const fs::path kFamilies = fs::path(VULCAP_TEST_DATA) / "families";
const fs::path kScenes = fs::path(VULCAP_SOURCE_DIR) / "models/scenes-vit-gpt2";

struct Case {
  const char* name;
  fs::path model, data;
  size_t samples;
  Options options;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"resnet",
       kFamilies / "resnet-image-classification",
       kFamilies / "task-images",
       128,
       {.to = Format::kInt8}},
      {"mobilenet",
       kFamilies / "mobilenet-image-classification",
       kFamilies / "task-images",
       128,
       {.to = Format::kInt8, .per_channel = true}},
      {"scenes", kScenes, kScenes / "expected/images", 4, {.to = Format::kUint8}},
  };
  return all;
}

// The folder that the case's options make of its model.
std::vector<FileResult> quantized(const Case& item, const fs::path& out) {
  FolderOptions options{item.options.to, {}, item.options};
  options.options.calibration = std::make_shared<Calibration>(
      calibrate(item.model, conversion::Samples::read(item.data, item.samples), {}, 2));
  return quantize_folder(item.model, out, options);
}

struct Run {
  std::string device;
  size_t number;
};

class Calibrated : public ::testing::TestWithParam<Run> {
 protected:
  void SetUp() override {
    if (GetParam().device == "vulkan" && std::getenv("VULCAP_TESTS_WITHOUT_VULKAN") != nullptr)
      GTEST_SKIP() << "VULCAP_TESTS_WITHOUT_VULKAN is set";
  }
  const Case& item() const { return cases().at(GetParam().number); }
};

TEST_P(Calibrated, AnswersAsOnnxRuntime) {
  TempFolder folder;
  const fs::path out = folder / "out";
  for (const FileResult& file : quantized(item(), out)) EXPECT_GT(file.changes.nodes, 0u) << file.out;
  fs::remove_all(out / "expected");
  fs::copy(fs::path(VULCAP_TEST_DATA) / "calibration" / item().name, out, fs::copy_options::recursive);
  session::DeviceRequest request;
  request.device = GetParam().device;
  const session::OpenedDevice opened = session::open_device(request);
  int rows = 0;
  loader::VerifyOptions options;
  options.pipeline = false;
  loader::verify(out, *opened.device, options, [&](const loader::VerifyRow& row) {
    ++rows;
    EXPECT_TRUE(row.pass) << row.subject << " " << row.output << ": " << row.note << ", off by "
                          << row.max_abs << ", " << row.max_rel << " of the range";
  });
  EXPECT_GT(rows, 0);
}

INSTANTIATE_TEST_SUITE_P(Devices, Calibrated,
                         ::testing::Values(Run{"cpu", 0}, Run{"cpu", 1}, Run{"cpu", 2}, Run{"vulkan", 0},
                                           Run{"vulkan", 1}, Run{"vulkan", 2}),
                         [](const auto& test) {
                           return std::string(cases().at(test.param.number).name) + "_" + test.param.device;
                         });

std::map<std::string, int> operators_of(const fs::path& file) {
  std::map<std::string, int> census;
  const std::function<void(const onnx::GraphDef&)> count = [&](const onnx::GraphDef& graph) {
    for (const onnx::NodeDef& node : graph.nodes) {
      ++census[node.op_type];
      for (const onnx::Attribute& attribute : node.attributes)
        if (const auto* body = std::get_if<std::shared_ptr<onnx::GraphDef>>(&attribute.value)) count(**body);
    }
  };
  count(onnx::read_model(file).graph);
  return census;
}

// Activations in steps before each convolution and behind it or its Relu, weights and biases as integers.
TEST(CalibratedFile, HasItsOperatorsBetweenSteps) {
  TempFolder folder;
  const std::vector<FileResult> files = quantized(cases()[0], folder / "out");
  ASSERT_EQ(files.size(), 1u);
  const std::map<std::string, int> before = operators_of(files[0].in), after = operators_of(files[0].out);
  const int products = before.at("Conv") + before.at("Gemm");
  EXPECT_EQ(int(files[0].changes.nodes), products);
  EXPECT_EQ(after.at("Conv"), before.at("Conv"));
  EXPECT_EQ(after.count("DynamicQuantizeLinear"), 0u);
  EXPECT_GE(after.at("QuantizeLinear"), before.at("Conv"));
  EXPECT_GE(after.at("DequantizeLinear"), after.at("QuantizeLinear") + 2 * products);
}

TEST(CalibratedFile, IsNotQuantisedAgain) {
  TempFolder folder;
  const std::vector<FileResult> files = quantized(cases()[0], folder / "out");
  try {
    quantize_file(files[0].out, folder / "again.onnx", {.to = Format::kInt8});
    FAIL() << "it was quantised twice";
  } catch (const core::Error& error) {
    EXPECT_NE(error.message().find("is quantised already"), std::string::npos) << error.message();
  }
}

TEST(CalibratedFile, CalibrationIsForIntegersOnly) {
  TempFolder folder;
  Options options{.to = Format::kQ4};
  options.calibration = std::make_shared<Calibration>(std::make_shared<ProductObserver>(), RangeOptions{});
  EXPECT_THROW(
      quantize_file(kFamilies / "resnet-image-classification/model.onnx", folder / "a.onnx", options),
      core::Error);
}

// What no sample has reached stays in floating point, and is named.
TEST(CalibratedFile, WeightsThatNothingReachedStay) {
  TempFolder folder;
  Options options{.to = Format::kInt8};
  options.calibration = std::make_shared<Calibration>(std::make_shared<ProductObserver>(), RangeOptions{});
  onnx::EditableModel model = onnx::EditableModel::read(kFamilies / "resnet-image-classification/model.onnx");
  const Changes changes = quantize_model(model, options);
  EXPECT_EQ(changes.nodes, 0u);
  ASSERT_FALSE(changes.kept.empty());
  EXPECT_NE(changes.kept[0].reason.find("no sample"), std::string::npos);
}

TEST(Report, SaysWhatChanged) {
  TempFolder folder;
  const session::OpenedDevice cpu = session::open_device({"cpu", 2});
  std::vector<FileResult> files =
      quantize_folder(kScenes, folder / "out", {Format::kInt8, {}, {.to = Format::kInt8}});
  ReportRequest request{kScenes, folder / "out", conversion::Samples::read(kScenes / "expected/images", 4)};
  request.devices = {cpu};
  const Report report = report_on(std::move(files), request);
  EXPECT_EQ(report.files.size(), 2u);
  EXPECT_LT(report.bytes_after(), report.bytes_before());
  EXPECT_EQ(report.answers, 4u);
  EXPECT_LE(report.changed.size(), 1u);
  ASSERT_EQ(report.speeds.size(), 1u);
  EXPECT_GT(report.speeds[0].before, 0);
  bool logits = false;
  for (const OutputError& row : report.errors) {
    EXPECT_FALSE(row.failed) << row.graph << ": " << row.note;
    logits |= row.output == "logits" && row.relative > 0 && row.relative < 0.5;
  }
  EXPECT_TRUE(logits);
}

}  // namespace
}  // namespace vulcap::quantization
