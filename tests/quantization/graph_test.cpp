// Quantised files: those of tests/golden/quantization/graph were written by vulcap quantize and answered by
// ONNX Runtime (tests/generators/quantization.py). They must come out byte for byte, and run as there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "loader/conversion/quantization/quantize.h"
#include "loader/onnx/model.h"
#include "loader/verify/verify.h"
#include "runtime/session/open_device.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::quantization {
namespace {

namespace fs = std::filesystem;
using namespace onnx_test;

const fs::path kGraph = fs::path(VULCAP_TEST_DATA) / "quantization" / "graph";

struct Variant {
  const char* name;
  Options options;
};

class Golden : public testing::TestWithParam<Variant> {};

TEST_P(Golden, IsWrittenAsOnnxRuntimeRanIt) {
  TempFolder folder;
  const std::string name = "model_" + std::string(GetParam().name) + ".onnx";
  const FileResult result = quantize_file(kGraph / "model.onnx", folder / name, GetParam().options);
  EXPECT_GT(result.changes.nodes, 0u);
  EXPECT_EQ(result.bytes_after, fs::file_size(folder / name));
  EXPECT_TRUE(read_file(folder / name) == read_file(kGraph / name))
      << "the file differs; if it is meant to, run tests/generators/quantization.py";
}

INSTANTIATE_TEST_SUITE_P(
    Variants, Golden,
    testing::Values(Variant{"fp16", {.to = Format::kFp16}}, Variant{"int8", {.to = Format::kInt8}},
                    Variant{"int8_per_channel",
                            {.to = Format::kInt8, .per_channel = true, .reduce_range = true}},
                    Variant{"uint8", {.to = Format::kUint8}},
                    Variant{"uint8_per_channel", {.to = Format::kUint8, .per_channel = true}},
                    Variant{"q4", {.to = Format::kQ4}},
                    Variant{"q4_asymmetric", {.to = Format::kQ4, .symmetric = false, .block = 16}},
                    Variant{"q4f16", {.to = Format::kQ4F16}}, Variant{"bnb4", {.to = Format::kBnb4}}),
    [](const auto& test) { return test.param.name; });

TEST(Quantize, TakesUnsignedNumbersWhereTheGraphConvolves) {
  TempFolder folder;
  quantize_file(kGraph / "model.onnx", folder / "out.onnx", {.to = Format::kQ8});
  EXPECT_TRUE(read_file(folder / "out.onnx") == read_file(kGraph / "model_uint8.onnx"));
}

class Verified : public testing::TestWithParam<const char*> {};

TEST_P(Verified, AnswersAsOnnxRuntime) {
  const std::string name = GetParam();
  if (name == "vulkan" && std::getenv("VULCAP_TESTS_WITHOUT_VULKAN") != nullptr)
    GTEST_SKIP() << "VULCAP_TESTS_WITHOUT_VULKAN is set";
  session::DeviceRequest request;
  request.device = name;
  const session::OpenedDevice opened = session::open_device(request);
  int rows = 0;
  loader::verify(kGraph, *opened.device, {}, [&](const loader::VerifyRow& row) {
    ++rows;
    EXPECT_TRUE(row.pass) << row.subject << " " << row.output << ": " << row.note << ", off by "
                          << row.max_abs;
  });
  EXPECT_EQ(rows, 10 * 2 * 2);  // files, data sets, outputs
}

INSTANTIATE_TEST_SUITE_P(Devices, Verified, testing::Values("cpu", "vulkan"),
                         [](const auto& test) { return std::string(test.param); });

// ---- the graph, node by node ----

struct Census {
  std::map<std::string, int> operators;
  std::set<std::string> constants;
};

void count(const proto::GraphProto& graph, Census& census) {
  for (const auto& tensor : graph.initializer()) census.constants.insert(tensor.name());
  for (const auto& node : graph.node()) {
    ++census.operators[node.op_type()];
    for (const auto& attribute : node.attribute())
      if (attribute.has_g()) count(attribute.g(), census);
  }
}

Census census_of(const fs::path& path) {
  proto::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(read_file(path)));
  Census census;
  count(model.graph(), census);
  return census;
}

TEST(Quantize, ReachesBranchesAndSharesTheirWeights) {
  const Census census = census_of(kGraph / "model_q4.onnx");
  EXPECT_EQ(census.operators.at("MatMulNBits"), 3 + 2 + 2);  // attention, and two in each branch
  EXPECT_EQ(census.operators.count("Gemm"), 0u);
  EXPECT_TRUE(census.constants.count("fc.weight_Q4"));
  EXPECT_FALSE(census.constants.count("fc.weight_Q4_1"));
  EXPECT_FALSE(census.constants.count("fc.weight"));
}

TEST(Quantize, LeavesATableThatIsReadAsAMatrixToo) {
  const Census four_bits = census_of(kGraph / "model_q4.onnx");
  EXPECT_TRUE(four_bits.constants.count("words.weight"));
  const Census integers = census_of(kGraph / "model_int8.onnx");
  EXPECT_TRUE(integers.constants.count("words.weight_quantized"));
  EXPECT_FALSE(integers.constants.count("words.weight"));
}

TEST(Quantize, KeepsStatisticsOfNormsInFullPrecision) {
  const onnx::ModelDef model = onnx::read_model(kGraph / "model_fp16.onnx");
  std::map<std::string, core::DType> dtypes;
  for (const auto& item : model.graph.initializers) dtypes[item.name] = item.tensor.dtype();
  EXPECT_EQ(dtypes.at("epsilon"), core::DType::kF32);
  EXPECT_EQ(dtypes.at("norm.weight"), core::DType::kF16);
  EXPECT_EQ(dtypes.at("words.weight"), core::DType::kF16);
  for (const auto& input : model.graph.inputs) EXPECT_NE(input.dtype, core::DType::kF16) << input.name;
  for (const auto& output : model.graph.outputs) EXPECT_EQ(output.dtype, core::DType::kF32);
}

TEST(Quantize, ExcludesByNameModuleWeightOperatorAndPattern) {
  TempFolder folder;
  for (const auto& [pattern, products] : std::map<std::string, int>{{"attention.q.weight", 6},
                                                                    {"/attention.q/MatMul", 6},
                                                                    {"attention.q", 6},
                                                                    {"*attention*", 4},
                                                                    {"Gemm", 4}}) {
    const FileResult result =
        quantize_file(kGraph / "model.onnx", folder / "out.onnx", {.to = Format::kQ4, .exclude = {pattern}});
    EXPECT_EQ(census_of(folder / "out.onnx").operators.at("MatMulNBits"), products) << pattern;
    EXPECT_EQ(int(result.changes.nodes), products) << pattern;
  }
}

// ---- refusals ----

std::string refusal(const fs::path& in, const Options& options) {
  TempFolder folder;
  const std::string message = error_of([&] { quantize_file(in, folder / "out.onnx", options); });
  EXPECT_FALSE(fs::exists(folder / "out.onnx")) << message;
  EXPECT_TRUE(message.starts_with(in.string() + ": ")) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
  return message.substr(std::min(message.size(), in.string().size() + 2));
}

TEST(QuantizeRefuses, WhatIsQuantisedAlready) {
  for (const char* name : {"model_q4.onnx", "model_int8.onnx", "model_bnb4.onnx", "model_q4f16.onnx"})
    for (const Format format : {Format::kInt8, Format::kQ4, Format::kFp16})
      EXPECT_TRUE(refusal(kGraph / name, {.to = format}).starts_with("is quantised already (node ")) << name;
}

TEST(QuantizeRefuses, HalfPrecisionButForWhatTakesIt) {
  const fs::path half = kGraph / "model_fp16.onnx";
  EXPECT_TRUE(refusal(half, {.to = Format::kFp16}).starts_with("is in half precision already"));
  EXPECT_TRUE(refusal(half, {.to = Format::kInt8}).starts_with("is in half precision already"));
  EXPECT_NE(refusal(half, {.to = Format::kQ4}).find("q4f16 is for such a file"), std::string::npos);
  TempFolder folder;
  EXPECT_GT(quantize_file(half, folder / "out.onnx", {.to = Format::kQ4F16}).changes.nodes, 0u);
}

TEST(QuantizeRefuses, NamesThatMeanNothing) {
  const std::string message =
      refusal(kGraph / "model.onnx", {.to = Format::kQ4, .exclude = {"attention.q", "decoder.*"}});
  EXPECT_TRUE(message.starts_with("nothing that can be quantised is called decoder.*")) << message;
}

TEST(QuantizeRefuses, OptionsOfOtherFormats) {
  const fs::path in = kGraph / "model.onnx";
  EXPECT_NE(refusal(in, {.to = Format::kQ4, .per_channel = true}), "");
  EXPECT_NE(refusal(in, {.to = Format::kFp16, .symmetric = true}), "");
  EXPECT_NE(refusal(in, {.to = Format::kInt8, .block = 32}), "");
  EXPECT_NE(refusal(in, {.to = Format::kQ4, .block = 48}), "");
}

TEST(QuantizeRefuses, AModelWithoutWeights) {
  TempFolder folder;
  const fs::path path = write_file(folder / "relu.onnx", relu_model().SerializeAsString());
  for (const Format format : {Format::kInt8, Format::kQ4, Format::kFp16})
    EXPECT_TRUE(refusal(path, {.to = format}).starts_with("has nothing that ")) << int(format);
}

TEST(QuantizeRefuses, WeightsThatAreNotFinite) {
  TempFolder folder;
  proto::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(read_file(kGraph / "model.onnx")));
  for (auto& tensor : *model.mutable_graph()->mutable_initializer())
    if (tensor.name() == "fc.weight")
      tensor.mutable_raw_data()->replace(0, 4, std::string("\0\0\xc0\x7f", 4));
  const fs::path path = write_file(folder / "nan.onnx", model.SerializeAsString());
  for (const Format format : {Format::kInt8, Format::kQ4, Format::kBnb4})
    EXPECT_NE(refusal(path, {.to = format}).find("weight fc.weight holds numbers that are not finite"),
              std::string::npos);
}

TEST(QuantizeRefuses, OldOpsetsForIntegers) {
  TempFolder folder;
  proto::ModelProto model = relu_model();
  model.mutable_opset_import(0)->set_version(10);
  const fs::path path = write_file(folder / "old.onnx", model.SerializeAsString());
  EXPECT_TRUE(refusal(path, {.to = Format::kInt8}).starts_with("is of opset 10; ")) << path;
}

}  // namespace
}  // namespace vulcap::quantization
