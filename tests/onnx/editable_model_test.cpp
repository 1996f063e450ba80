#include "loader/onnx/editable_model.h"

#include <gtest/gtest.h>

#include "loader/onnx/model.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::onnx {
namespace {

using namespace onnx_test;

std::string floats(size_t count, float value) {
  const std::vector<float> values(count, value);
  return std::string(reinterpret_cast<const char*>(values.data()), count * sizeof(float));
}

// Relu(x) beside weights of 8 bytes, in float_data, and of 4 KiB, in raw_data at an odd address.
proto::ModelProto model_with_weights() {
  proto::ModelProto model = relu_model();
  auto* small = add_tensor(model.mutable_graph(), "small", proto::TensorProto::FLOAT, {2});
  small->add_float_data(1.5f);
  small->add_float_data(2.5f);
  small->set_doc_string("kept");
  add_tensor(model.mutable_graph(), "large", proto::TensorProto::FLOAT, {1024})
      ->set_raw_data(floats(1024, 3.0f));
  return model;
}

core::Tensor filled(const core::Shape& shape, float value) {
  return core::Tensor::from<float>(core::DType::kF32, shape,
                                   std::vector<float>(core::element_count(shape), value));
}

double first_of(const ModelDef& model, const std::string& name) {
  for (const Initializer& item : model.graph.initializers)
    if (item.name == name) return item.tensor.at_f64(0);
  throw std::runtime_error("no " + name);
}

TEST(EditableModel, KeepsWhatIsNotChanged) {
  TempFolder folder;
  // A field that onnx.proto does not know.
  const std::string bytes = model_with_weights().SerializeAsString() + std::string("\xfa\x7f\x03xyz", 6);
  const auto path = write_file(folder / "model.onnx", bytes);
  EditableModel model = EditableModel::read(path);
  EXPECT_EQ(model.tensor(model.proto().graph().initializer(0)).at_f64(1), 2.5);
  EXPECT_EQ(model.tensor(model.proto().graph().initializer(1)).at_f64(1023), 3.0);
  model.write(folder / "out.onnx");
  proto::ModelProto out;
  ASSERT_TRUE(out.ParseFromString(read_file(folder / "out.onnx")));
  EXPECT_EQ(out.graph().initializer(0).doc_string(), "kept");
  EXPECT_EQ(out.graph().initializer(1).raw_data(), floats(1024, 3.0f));
  EXPECT_EQ(out.graph().node_size(), 1);
  EXPECT_NE(read_file(folder / "out.onnx").find("xyz"), std::string::npos);
}

TEST(EditableModel, TakesTensorsAndNodes) {
  TempFolder folder;
  EditableModel model =
      EditableModel::read(write_file(folder / "model.onnx", model_with_weights().SerializeAsString()));
  auto& graph = *model.proto().mutable_graph();
  model.set_tensor(*graph.mutable_initializer(1), filled({2, 3}, 9.0f));
  auto* added = graph.add_initializer();
  added->set_name("added");
  model.set_tensor(*added, filled({1}, 4.0f));
  model.write(folder / "out.onnx");
  const ModelDef out = read_model(folder / "out.onnx");
  EXPECT_EQ(first_of(out, "large"), 9.0);
  EXPECT_EQ(first_of(out, "added"), 4.0);
  EXPECT_EQ(first_of(out, "small"), 1.5);
}

TEST(EditableModel, PutsLargeTensorsOutsideOnceAndInShards) {
  TempFolder folder;
  EditableModel model =
      EditableModel::read(write_file(folder / "model.onnx", model_with_weights().SerializeAsString()));
  auto& graph = *model.proto().mutable_graph();
  const core::Tensor shared = filled({1024}, 5.0f);
  for (const char* name : {"a", "b", "c"}) {
    auto* added = graph.add_initializer();
    added->set_name(name);
    model.set_tensor(*added, std::string(name) == "c" ? filled({1024}, 6.0f) : shared);
  }
  model.write(folder / "out.onnx", {.external = ExternalData::kAll});
  EXPECT_EQ(std::filesystem::file_size(folder / "out.onnx.data"), 3 * 4096u);
  model.write(folder / "shards.onnx",
              {.external = ExternalData::kAll, .data_name = "d", .shard_bytes = 9000});
  EXPECT_EQ(std::filesystem::file_size(folder / "d"), 2 * 4096u);
  EXPECT_EQ(std::filesystem::file_size(folder / "d_1"), 4096u);
  const ModelDef out = read_model(folder / "shards.onnx");
  EXPECT_EQ(first_of(out, "b"), 5.0);
  EXPECT_EQ(first_of(out, "c"), 6.0);
  // What was outside stays there, and can come back.
  const EditableModel again = EditableModel::read(folder / "out.onnx");
  again.write(folder / "again.onnx");
  EXPECT_TRUE(std::filesystem::exists(folder / "again.onnx.data"));
  again.write(folder / "whole.onnx", {.external = ExternalData::kNone});
  EXPECT_FALSE(std::filesystem::exists(folder / "whole.onnx.data"));
  EXPECT_EQ(first_of(read_model(folder / "whole.onnx"), "c"), 6.0);
}

TEST(EditableModel, RefusesInOneLineAndLeavesNothing) {
  TempFolder folder;
  const auto path = write_file(folder / "model.onnx", model_with_weights().SerializeAsString());
  const EditableModel model = EditableModel::read(path);
  EXPECT_THROW(model.write(path), core::Error);
  EXPECT_THROW(model.write(folder / "out.onnx", {.external = ExternalData::kNone, .inline_limit = 100}),
               core::Error);
  EXPECT_THROW(model.write(folder / "missing/out.onnx"), core::Error);
  EXPECT_THROW(EditableModel::read(write_file(folder / "text.onnx", "no model at all")), core::Error);
  EXPECT_THROW(EditableModel::read(folder / "none.onnx"), core::Error);
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 2u);
}

}  // namespace
}  // namespace vulcap::onnx
