#include <gtest/gtest.h>

#include <cstring>

#include "loader/onnx/model.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::onnx {
namespace {

using namespace onnx_test;
namespace fs = std::filesystem;

using Entries = std::vector<std::pair<std::string, std::string>>;

// A model whose only weight is f32[4] "w" in external data.
std::string external_model(const Entries& entries) {
  proto::ModelProto model = relu_model();
  proto::TensorProto* tensor = add_tensor(model.mutable_graph(), "w", proto::TensorProto::FLOAT, {4});
  tensor->set_data_location(proto::TensorProto::EXTERNAL);
  for (const auto& [key, value] : entries) {
    auto* entry = tensor->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
  return model.SerializeAsString();
}

std::string floats(std::vector<float> values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

class ExternalData : public testing::Test {
 protected:
  fs::path model(const Entries& entries) {
    return write_file(folder_ / "m/model.onnx", external_model(entries));
  }
  void expect_error(const Entries& entries, const std::string& part) {
    const std::string message = error_of([&] { read_model(model(entries)); });
    EXPECT_NE(message.find("model.onnx: tensor \"w\": "), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  float first_weight(const fs::path& path) {
    return read_model(path).graph.initializers.at(0).tensor.as<float>()[0];
  }

  TempFolder folder_;
  std::string weights_ = floats({1, 2, 3, 4, 5, 6});
};

TEST_F(ExternalData, OffsetAndLength) {
  write_file(folder_ / "m/w.bin", weights_);
  const ModelDef read_back = read_model(model({{"location", "w.bin"}, {"offset", "8"}, {"length", "16"}}));
  const core::Tensor& tensor = read_back.graph.initializers.at(0).tensor;
  EXPECT_TRUE(tensor.file_backed());
  EXPECT_EQ(read_back.copied_bytes, 0u);
  EXPECT_EQ(tensor.as<float>()[0], 3);
  EXPECT_EQ(tensor.as<float>()[3], 6);
}

TEST_F(ExternalData, BothAreOptional) {
  write_file(folder_ / "m/w.bin", weights_);
  EXPECT_EQ(first_weight(model({{"location", "w.bin"}})), 1);
  EXPECT_EQ(first_weight(model({{"location", "w.bin"}, {"offset", "4"}, {"checksum", "00"}})), 2);
}

TEST_F(ExternalData, SubfolderAndDot) {
  write_file(folder_ / "m/sub/w.bin", weights_);
  EXPECT_EQ(first_weight(model({{"location", "sub/w.bin"}})), 1);
  EXPECT_EQ(first_weight(model({{"location", "./sub/w.bin"}})), 1);
}

TEST_F(ExternalData, MisalignedOffsetIsCopied) {
  write_file(folder_ / "m/w.bin", "z" + weights_);
  const ModelDef read_back = read_model(model({{"location", "w.bin"}, {"offset", "1"}}));
  EXPECT_EQ(read_back.copied_bytes, 16u);
  EXPECT_EQ(read_back.graph.initializers.at(0).tensor.as<float>()[3], 4);
}

TEST_F(ExternalData, ModelInTheCurrentFolder) {
  write_file(folder_ / "m/w.bin", weights_);
  model({{"location", "w.bin"}});
  const fs::path before = fs::current_path();
  fs::current_path(folder_ / "m");
  EXPECT_EQ(first_weight("model.onnx"), 1);
  fs::current_path(before);
}

TEST_F(ExternalData, SeveralShards) {
  proto::ModelProto shards = relu_model();
  for (const char* name : {"a", "b"}) {
    proto::TensorProto* tensor = add_tensor(shards.mutable_graph(), name, proto::TensorProto::FLOAT, {1});
    tensor->set_data_location(proto::TensorProto::EXTERNAL);
    auto* entry = tensor->add_external_data();
    entry->set_key("location");
    entry->set_value(std::string(name) + ".bin");
  }
  write_file(folder_ / "m/a.bin", floats({7}));
  write_file(folder_ / "m/b.bin", floats({8}));
  const ModelDef read_back = read_model(write_file(folder_ / "m/model.onnx", shards.SerializeAsString()));
  EXPECT_EQ(read_back.graph.initializers.at(0).tensor.as<float>()[0], 7);
  EXPECT_EQ(read_back.graph.initializers.at(1).tensor.as<float>()[0], 8);
}

TEST_F(ExternalData, LocationMustBeRelativeAndInside) {
  write_file(folder_ / "w.bin", weights_);
  const char* kRule = "must be a relative path without \"..\"";
  expect_error({{"location", (folder_ / "w.bin").string()}}, kRule);
  expect_error({{"location", "../w.bin"}}, kRule);
  expect_error({{"location", "sub/../../w.bin"}}, kRule);
  expect_error({{"location", ".."}}, kRule);
  expect_error({{"location", ""}}, kRule);
  expect_error({{"location", std::string("w.bin\0x", 7)}}, kRule);
  expect_error({}, kRule);
}

TEST_F(ExternalData, SymlinkOutIsRefused) {
  write_file(folder_ / "secret.bin", weights_);
  fs::create_directories(folder_ / "m");
  fs::create_symlink("../secret.bin", folder_ / "m/w.bin");
  expect_error({{"location", "w.bin"}}, "leads out of the model's folder");
  fs::create_directory_symlink("..", folder_ / "m/up");
  expect_error({{"location", "up/secret.bin"}}, "leads out of the model's folder");
  write_file(folder_ / "m2/w.bin", weights_);
  fs::create_directory_symlink("../m2", folder_ / "m/twin");
  expect_error({{"location", "twin/w.bin"}}, "leads out of the model's folder");
}

TEST_F(ExternalData, SymlinkInsideIsFollowed) {
  write_file(folder_ / "m/real.bin", weights_);
  fs::create_symlink("real.bin", folder_ / "m/w.bin");
  EXPECT_EQ(first_weight(model({{"location", "w.bin"}})), 1);
}

// snapshots/<revision>/onnx/* -> ../../../blobs/<hash>
TEST_F(ExternalData, HubCache) {
  write_file(folder_ / "blobs/1111", external_model({{"location", "model.onnx_data"}}));
  write_file(folder_ / "blobs/2222", weights_);
  write_file(folder_ / "elsewhere/3333", weights_);
  const fs::path snapshot = folder_ / "snapshots/abc/onnx";
  fs::create_directories(snapshot);
  fs::create_symlink("../../../blobs/1111", snapshot / "model.onnx");
  fs::create_symlink("../../../blobs/2222", snapshot / "model.onnx_data");
  EXPECT_EQ(first_weight(snapshot / "model.onnx"), 1);
  fs::remove(snapshot / "model.onnx_data");
  fs::create_symlink("../../../elsewhere/3333", snapshot / "model.onnx_data");
  const std::string message = error_of([&] { read_model(snapshot / "model.onnx"); });
  EXPECT_NE(message.find("leads out of the model's folder"), std::string::npos) << message;
}

TEST_F(ExternalData, ModelFolderIsASymlink) {
  write_file(folder_ / "m/w.bin", weights_);
  model({{"location", "w.bin"}});
  fs::create_directory_symlink("m", folder_ / "alias");
  EXPECT_EQ(first_weight(folder_ / "alias/model.onnx"), 1);
}

TEST_F(ExternalData, MissingOrNoFile) {
  expect_error({{"location", "absent.bin"}}, "\"absent.bin\" cannot be found beside the model");
  fs::create_directories(folder_ / "m/folder.bin");
  expect_error({{"location", "folder.bin"}}, "is a folder");
}

TEST_F(ExternalData, Ranges) {
  write_file(folder_ / "m/w.bin", weights_);
  write_file(folder_ / "m/empty.bin", "");
  expect_error({{"location", "empty.bin"}}, "is too short: 16 bytes at offset 0 are needed, the file has 0");
  expect_error({{"location", "w.bin"}, {"offset", "12"}}, "is too short: 16 bytes at offset 12 are needed");
  expect_error({{"location", "w.bin"}, {"offset", "9223372036854775807"}}, "is too short");
  expect_error({{"location", "w.bin"}, {"offset", "-4"}}, "negative offset");
  expect_error({{"location", "w.bin"}, {"length", "-16"}}, "negative offset or length");
  expect_error({{"location", "w.bin"}, {"length", "8"}}, "needs 16 bytes but its length is 8");
  expect_error({{"location", "w.bin"}, {"offset", "99999999999999999999"}}, "not a number");
  expect_error({{"location", "w.bin"}, {"offset", "4 "}}, "not a number");
  expect_error({{"location", "w.bin"}, {"offset", ""}}, "not a number");
}

}  // namespace
}  // namespace vulcap::onnx
