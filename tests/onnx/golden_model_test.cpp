// Exported models against what the onnx package reads from them (golden/onnx/reference.json).
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "loader/onnx/model.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::onnx {
namespace {

using nlohmann::json;

uint32_t crc32(std::span<const std::byte> bytes) {
  uint32_t crc = ~0u;
  for (std::byte byte : bytes) {
    crc ^= uint32_t(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

json value_json(const ValueInfo& value) {
  json dims = json::array();
  for (const Dim& dim : value.shape) std::visit([&](const auto& size) { dims.push_back(size); }, dim);
  return {value.name, int(value.dtype), dims};
}

json values_json(const std::vector<ValueInfo>& values) {
  json list = json::array();
  for (const ValueInfo& value : values) list.push_back(value_json(value));
  return list;
}

struct Census {
  std::map<std::string, int> ops;
  std::vector<json> tensors;
};

void visit(const GraphDef& graph, Census& census) {
  const auto add = [&](const std::string& name, const core::Tensor& tensor) {
    census.tensors.push_back({name, int(tensor.dtype()), tensor.shape(), crc32(tensor.bytes())});
  };
  for (const Initializer& initializer : graph.initializers) add(initializer.name, initializer.tensor);
  for (const NodeDef& node : graph.nodes) {
    ++census.ops[node.op_type];
    for (const Attribute& attribute : node.attributes) {
      if (const auto* tensor = std::get_if<core::Tensor>(&attribute.value)) add(node.outputs[0], *tensor);
      if (const auto* inner = std::get_if<std::shared_ptr<GraphDef>>(&attribute.value))
        visit(**inner, census);
    }
  }
}

void expect_in_order(const GraphDef& graph, std::set<std::string> known) {
  for (const ValueInfo& input : graph.inputs) known.insert(input.name);
  for (const Initializer& initializer : graph.initializers) known.insert(initializer.name);
  known.insert("");
  for (const NodeDef& node : graph.nodes) {
    for (const std::string& input : node.inputs)
      EXPECT_TRUE(known.contains(input)) << node.name << " " << input;
    for (const Attribute& attribute : node.attributes) {
      const auto* inner = std::get_if<std::shared_ptr<GraphDef>>(&attribute.value);
      if (inner != nullptr) expect_in_order(**inner, known);
    }
    known.insert(node.outputs.begin(), node.outputs.end());
  }
}

class GoldenModel : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path folder_ = std::filesystem::path(VULCAP_TEST_DATA) / "onnx";
  std::filesystem::path path_ = folder_ / GetParam();
  json expected_ = json::parse(onnx_test::read_file(folder_ / "reference.json")).at(GetParam());
};

TEST_P(GoldenModel, ReadsWhatTheOnnxPackageReads) {
  const ModelDef model = read_model(path_);
  Census census;
  visit(model.graph, census);
  std::sort(census.tensors.begin(), census.tensors.end());
  EXPECT_EQ(json(model.opsets), expected_["opsets"]);
  EXPECT_EQ(values_json(model.graph.inputs), expected_["inputs"]);
  EXPECT_EQ(values_json(model.graph.outputs), expected_["outputs"]);
  EXPECT_EQ(json(census.ops), expected_["ops"]);
  EXPECT_EQ(json(census.tensors), expected_["tensors"]);
  expect_in_order(model.graph, {});
}

TEST_P(GoldenModel, SignatureAgreesWithModel) {
  const GraphSignature signature = read_signature(path_);
  EXPECT_EQ(json(signature.opsets), expected_["opsets"]);
  EXPECT_EQ(values_json(signature.inputs), expected_["inputs"]);
  EXPECT_EQ(values_json(signature.outputs), expected_["outputs"]);
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenModel,
                         testing::Values("merged_decoder.onnx", "unsorted_fp16.onnx", "typed_qdq.onnx",
                                         "uint4_qdq.onnx", "external.onnx"));

}  // namespace
}  // namespace vulcap::onnx
