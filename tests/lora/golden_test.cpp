// Every folder of golden/lora: model.onnx with adapter/ merged equals merged.onnx, in memory and as a file.
#include <gtest/gtest.h>

#include <algorithm>

#include "loader/lora/merged_model.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::lora {
namespace {

namespace fs = std::filesystem;
using onnx_test::TempFolder;

const fs::path kFolder = fs::path(VULCAP_TEST_DATA) / "lora";

// Of the weights that `got` shares with `want` by place in their graphs.
void expect_equal(const onnx::GraphDef& got, const onnx::GraphDef& want) {
  const auto expect_same = [](const core::Tensor& a, const core::Tensor& b, const std::string& name) {
    ASSERT_EQ(a.dtype(), b.dtype()) << name;
    ASSERT_EQ(a.shape(), b.shape()) << name;
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a.at_f64(i), b.at_f64(i), 1e-6) << name << " " << i;
  };
  ASSERT_EQ(got.initializers.size(), want.initializers.size());
  for (size_t i = 0; i < want.initializers.size(); ++i) {
    EXPECT_EQ(got.initializers[i].name, want.initializers[i].name);
    expect_same(got.initializers[i].tensor, want.initializers[i].tensor, want.initializers[i].name);
  }
  ASSERT_EQ(got.nodes.size(), want.nodes.size());
  for (size_t n = 0; n < want.nodes.size(); ++n) {
    for (size_t a = 0; a < want.nodes[n].attributes.size(); ++a) {
      const auto& expected = want.nodes[n].attributes[a].value;
      const auto& value = got.nodes[n].attributes[a].value;
      ASSERT_EQ(value.index(), expected.index());
      if (const auto* tensor = std::get_if<core::Tensor>(&value))
        expect_same(*tensor, std::get<core::Tensor>(expected), want.nodes[n].name);
      if (const auto* body = std::get_if<std::shared_ptr<onnx::GraphDef>>(&value))
        expect_equal(**body, *std::get<std::shared_ptr<onnx::GraphDef>>(expected));
    }
  }
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, MergesAsPeft) {
  const fs::path folder = kFolder / GetParam();
  const onnx::ModelDef want = onnx::read_model(folder / "merged.onnx");
  expect_equal(read_merged_model(folder / "model.onnx", folder / "adapter").graph, want.graph);
  TempFolder out;
  const auto merged = write_merged_model(folder / "model.onnx", folder / "adapter", out / "out.onnx", false);
  EXPECT_TRUE(merged.unmatched.empty());
  EXPECT_FALSE(merged.edits.empty());
  expect_equal(onnx::read_model(out / "out.onnx").graph, want.graph);
  EXPECT_EQ(fs::exists(out / "out.onnx.data"), GetParam() == "external");
}

std::vector<std::string> folders() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(folders()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace vulcap::lora
