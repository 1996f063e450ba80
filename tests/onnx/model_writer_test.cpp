#include "loader/onnx/model_writer.h"

#include <gtest/gtest.h>

#include "tests/onnx/model_builder.h"

namespace vulcap::onnx {
namespace {

using namespace onnx_test;

core::Tensor filled(const core::Shape& shape, float value) {
  return core::Tensor::from<float>(core::DType::kF32, shape,
                                   std::vector<float>(core::element_count(shape), value));
}

// Relu(x) beside two weights, a small one and one of 4 KiB.
proto::ModelProto model_with_weights() {
  proto::ModelProto model = relu_model();
  model.set_doc_string("kept");
  auto* small = add_tensor(model.mutable_graph(), "small", proto::TensorProto::FLOAT, {2});
  small->set_raw_data(std::string(8, '\0'));
  small->set_doc_string("kept too");
  add_tensor(model.mutable_graph(), "large", proto::TensorProto::FLOAT, {1024})
      ->set_raw_data(std::string(4096, '\0'));
  return model;
}

TEST(RewriteModel, ChangesNothingElse) {
  TempFolder folder;
  proto::ModelProto model = model_with_weights();
  // A field that onnx.proto does not know.
  const std::string bytes = model.SerializeAsString() + std::string("\xfa\x7f\x03xyz", 6);
  const auto path = write_file(folder / "model.onnx", bytes);
  rewrite_model(path, {}, folder / "same.onnx");
  EXPECT_EQ(read_file(folder / "same.onnx"), bytes);
  rewrite_model(path, {{"small", filled({2}, 3.0f)}}, folder / "out.onnx");
  proto::ModelProto out;
  ASSERT_TRUE(out.ParseFromString(read_file(folder / "out.onnx")));
  const float three = 3.0f;
  const std::string raw = std::string(reinterpret_cast<const char*>(&three), 4) +
                          std::string(reinterpret_cast<const char*>(&three), 4);
  model.mutable_graph()->mutable_initializer(0)->set_raw_data(raw);
  EXPECT_EQ(read_file(folder / "out.onnx").size(), bytes.size());
  EXPECT_EQ(out.graph().SerializeAsString(), model.graph().SerializeAsString());
  EXPECT_FALSE(std::filesystem::exists(folder / "out.onnx.data"));
}

TEST(RewriteModel, LargeFilesPutWeightsOutside) {
  TempFolder folder;
  const auto path = write_file(folder / "model.onnx", model_with_weights().SerializeAsString());
  rewrite_model(path, {{"large", filled({1024}, 7.0f)}}, folder / "out.onnx", 2000);
  const ModelDef out = read_model(folder / "out.onnx");
  EXPECT_EQ(std::filesystem::file_size(folder / "out.onnx.data"), 4096u);
  EXPECT_LT(std::filesystem::file_size(folder / "out.onnx"), 2000u);
  EXPECT_EQ(out.graph.initializers.at(0).tensor.at_f64(1), 0.0);
  EXPECT_EQ(out.graph.initializers.at(1).tensor.at_f64(1023), 7.0);
  // And from there into another pair of files.
  rewrite_model(folder / "out.onnx", {}, folder / "again.onnx");
  EXPECT_EQ(read_model(folder / "again.onnx").graph.initializers.at(1).tensor.at_f64(5), 7.0);
  EXPECT_EQ(read_file(folder / "again.onnx.data"), read_file(folder / "out.onnx.data"));
}

TEST(RewriteModel, NeverLeavesHalfAFile) {
  TempFolder folder;
  const auto path = write_file(folder / "model.onnx", model_with_weights().SerializeAsString());
  std::filesystem::create_directory(folder / "out.onnx.data");  // cannot be replaced by a file
  EXPECT_NE(error_of([&] { rewrite_model(path, {}, folder / "out.onnx", 2000); }).find("out.onnx.data"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder / "out.onnx"));
  size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++entries;
  EXPECT_EQ(entries, 2u);
}

TEST(RewriteModel, RefusesFilesThatItReads) {
  TempFolder folder;
  const auto path = write_file(folder / "model.onnx", model_with_weights().SerializeAsString());
  rewrite_model(path, {}, folder / "a.onnx", 2000);
  std::filesystem::rename(folder / "a.onnx", folder / "b.onnx");  // reads a.onnx.data
  EXPECT_NE(error_of([&] { rewrite_model(folder / "b.onnx", {}, folder / "a.onnx"); }).find("another name"),
            std::string::npos);
  EXPECT_NE(error_of([&] { rewrite_model(path, {}, path); }).find("another name"), std::string::npos);
}

}  // namespace
}  // namespace vulcap::onnx
