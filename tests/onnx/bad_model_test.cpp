// What is wrong with a file must be said in one line that begins with its path; nothing may crash.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>

#include "loader/onnx/model.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::onnx {
namespace {

using namespace onnx_test;

class BadModel : public testing::Test {
 protected:
  void expect_error(const std::string& bytes, const std::string& part) {
    const auto path = write_file(folder_ / "model.onnx", bytes);
    const std::string message = error_of([&] { read_model(path); });
    EXPECT_TRUE(message.starts_with(path.string() + ": ")) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  void expect_error(const proto::ModelProto& model, const std::string& part) {
    expect_error(model.SerializeAsString(), part);
  }
  TempFolder folder_;
};

TEST_F(BadModel, NotThereOrNoFile) {
  EXPECT_NE(error_of([&] { read_model(folder_ / "no.onnx"); }).find("no.onnx: file not found"),
            std::string::npos);
  EXPECT_NE(error_of([&] { read_model(folder_.path()); }).find("is a folder"), std::string::npos);
  ASSERT_EQ(mkfifo((folder_ / "pipe.onnx").c_str(), 0600), 0);
  EXPECT_NE(error_of([&] { read_model(folder_ / "pipe.onnx"); }).find("not a regular file"),
            std::string::npos);
}

TEST_F(BadModel, OtherFormats) {
  expect_error("", "is empty");
  expect_error("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "run git lfs pull");
  expect_error("<!DOCTYPE html><html></html>", "web page");
  expect_error("<html><body>404</body></html>", "web page");
  expect_error(std::string("PK\x03\x04 and more"), "ZIP archive");
  expect_error("just some text, long enough to look like fields", "not an ONNX file");
  expect_error("{\"model_type\": \"vit\"}", "");
}

TEST_F(BadModel, RandomBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(1 + random() % 3000, 0);
    for (char& byte : bytes) byte = char(random());
    expect_error(bytes, "");
  }
}

TEST_F(BadModel, EveryTruncation) {
  const std::string bytes = relu_model().SerializeAsString();
  for (size_t size = 1; size < bytes.size(); ++size) expect_error(bytes.substr(0, size), "");
}

TEST_F(BadModel, EmptyParts) {
  proto::ModelProto model = relu_model();
  model.clear_graph();
  expect_error(model, "holds no graph");
  EXPECT_NE(error_of([&] { read_signature(folder_ / "model.onnx"); }).find("holds no graph"),
            std::string::npos);
  model = relu_model();
  model.clear_opset_import();
  expect_error(model, "declares no opset");
  model.add_opset_import()->set_domain("com.microsoft");
  expect_error(model, "no opset version for ai.onnx");
  model = relu_model();
  model.add_opset_import()->set_version(11);
  expect_error(model, "declared twice");
  model = relu_model();
  model.mutable_graph()->mutable_node(0)->clear_op_type();
  expect_error(model, "has no operator type");
  model = relu_model();
  model.mutable_graph()->mutable_input(0)->clear_name();
  expect_error(model, "has no name");
  model = relu_model();
  model.mutable_graph()->mutable_node(0)->add_attribute()->set_i(1);
  expect_error(model, "attribute \"\": has no name");
}

TEST_F(BadModel, AttributesWithoutTheirValue) {
  for (auto [type, part] : {std::pair{proto::AttributeProto::TENSOR, "holds no tensor"},
                            {proto::AttributeProto::GRAPH, "holds no graph"}}) {
    proto::ModelProto model = relu_model();
    auto* attribute = model.mutable_graph()->mutable_node(0)->add_attribute();
    attribute->set_name("value");
    attribute->set_type(type);
    expect_error(model, part);
  }
}

TEST_F(BadModel, Names) {
  proto::ModelProto model = relu_model();
  add_node(model.mutable_graph(), "Neg", {"x"}, {"y"});
  expect_error(model, "output \"y\": this name is already taken");
  model = relu_model();
  add_node(model.mutable_graph(), "Neg", {"x"}, {"x"});
  expect_error(model, "output \"x\": this name is already taken");
  model = relu_model();
  add_tensor(model.mutable_graph(), "w", proto::TensorProto::FLOAT, {0});
  add_tensor(model.mutable_graph(), "w", proto::TensorProto::FLOAT, {0});
  expect_error(model, "initializer \"w\": this name is already taken");
  model = relu_model();
  add_node(model.mutable_graph(), "Neg", {"nowhere"}, {"z"});
  expect_error(model, "reads \"nowhere\", which no node, input or initializer provides");
  model = relu_model();
  set_value(model.mutable_graph()->add_output(), "lost", proto::TensorProto::FLOAT, {});
  expect_error(model, "output \"lost\" is not produced");
  model = relu_model();
  add_node(model.mutable_graph(), "Neg", {"b"}, {"a"});
  add_node(model.mutable_graph(), "Neg", {"a"}, {"b"});
  expect_error(model, "is part of a cycle");
  model = relu_model();
  add_node(model.mutable_graph(), "Neg\nError: forged", {"nowhere"}, {"z"});
  expect_error(model, "Neg?Error: forged");
}

TEST_F(BadModel, Functions) {
  proto::ModelProto model = relu_model();
  proto::FunctionProto* function = model.add_functions();
  expect_error(model, "a function has no name");
  function->set_name("Scale");
  function->add_node()->set_op_type("Neg");
  expect_error(model,
               "function \"Scale\": node 0 (\"Neg\"): the model declares no opset version for ai.onnx");
  function->add_opset_import()->set_version(18);
  function->mutable_node(0)->add_input("v");
  expect_error(model, "reads \"v\", which no node, input or initializer provides");
  function->add_input("v");
  function->add_output("r");
  expect_error(model, "output \"r\" is not produced");
}

TEST_F(BadModel, Tensors) {
  using Proto = proto::TensorProto;
  const auto with = [&](int32_t dtype, const std::vector<int64_t>& dims, const std::string& raw) {
    proto::ModelProto model = relu_model();
    add_tensor(model.mutable_graph(), "w", dtype, dims)->set_raw_data(raw);
    return model;
  };
  expect_error(with(Proto::FLOAT, {2}, "1234567"),
               "tensor \"w\": dims [2] of f32 need 8 bytes but 7 are stored");
  expect_error(with(Proto::FLOAT, {2}, ""), "need 8 bytes but 0");
  expect_error(with(Proto::FLOAT, {-2}, ""), "tensor \"w\": ");
  expect_error(with(Proto::FLOAT, {INT64_MAX, INT64_MAX}, ""), "too large");
  expect_error(with(Proto::FLOAT, {1 << 30, 1 << 30, 1 << 30}, ""), "too large");
  expect_error(with(Proto::FLOAT, std::vector<int64_t>(33, 1), "1234"), "33 dims");
  expect_error(with(Proto::COMPLEX64, {1}, "12345678"), "tensor \"w\": data type 14");
  expect_error(with(28, {1}, "1"), "data type 28");
  expect_error(with(1 + 256, {1}, "1234"), "data type 257");
  expect_error(with(-1, {1}, "1234"), "data type -1");
  expect_error(with(0, {1}, "1234"), "data type 0");
  proto::ModelProto model = relu_model();
  add_tensor(model.mutable_graph(), "w", Proto::FLOAT, {3})->add_float_data(1);
  expect_error(model, "dims [3] need 3 values but 1 are stored");
  model = relu_model();
  model.mutable_graph()->add_sparse_initializer();
  expect_error(model, "sparse initializers");
  model = relu_model();
  add_tensor(model.mutable_graph(), "", Proto::FLOAT, {0});
  expect_error(model, "an initializer has no name");
}

TEST_F(BadModel, ValueOfHugeRank) {
  proto::ModelProto model = relu_model();
  set_value(model.mutable_graph()->add_value_info(), "v", proto::TensorProto::FLOAT,
            std::vector<int64_t>(100, 1));
  expect_error(model, "value \"v\": has more than 32 dims");
}

// Each graph holds an If whose branch is the next graph.
TEST_F(BadModel, NestingBomb) {
  for (int depth : {20, 90}) {
    proto::ModelProto model = relu_model();
    proto::GraphProto* graph = model.mutable_graph();
    for (int level = 0; level < depth; ++level) {
      auto* attribute = add_node(graph, "If", {"x"}, {"o"})->add_attribute();
      attribute->set_name("then_branch");
      graph = attribute->mutable_g();
    }
    expect_error(model, "graphs nest deeper than 16");
  }
}

TEST_F(BadModel, DeepNestingThatProtobufWouldNotWrite) {
  std::string graph;
  for (int level = 0; level < 20000; ++level) {
    const auto wrap = [](char tag, const std::string& body) {
      std::string head(1, tag);
      for (size_t size = body.size();; size >>= 7) {
        head += char(size >= 128 ? (size & 127) | 128 : size);
        if (size < 128) return head + body;
      }
    };
    graph = wrap('\x0a', wrap('\x2a', wrap('\x32', graph)));
  }
  std::string head = "\x3a";
  for (size_t size = graph.size();; size >>= 7) {
    head += char(size >= 128 ? (size & 127) | 128 : size);
    if (size < 128) break;
  }
  const auto path = write_file(folder_ / "bomb.onnx", head + graph);
  EXPECT_NE(error_of([&] { read_model(path); }).find("nest deeper"), std::string::npos);
}

TEST_F(BadModel, WrongWireType) {
  // graph (7) as a number, ir_version (1) as bytes
  expect_error(std::string("\x38\x01"), "of another type than onnx.proto says");
  expect_error(std::string("\x0a\x01\x01"), "of another type than onnx.proto says");
}

TEST_F(BadModel, TensorFile) {
  const auto path = write_file(folder_ / "input_0.pb", "\x08\x02\x10\x01\x4a\x01z");
  EXPECT_NE(error_of([&] { read_tensor_file(path); }).find("need 8 bytes but 1"), std::string::npos);
}

}  // namespace
}  // namespace vulcap::onnx
