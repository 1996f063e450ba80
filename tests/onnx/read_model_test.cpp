// Every kind of field, built by protobuf and read back.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "loader/onnx/model.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::onnx {
namespace {

using namespace onnx_test;
using core::DType;

class ReadModel : public testing::Test {
 protected:
  ModelDef read(const proto::ModelProto& model) {
    return read_model(write_file(folder_ / "model.onnx", model.SerializeAsString()));
  }
  core::Tensor read_tensor(const proto::TensorProto& tensor) {
    proto::ModelProto model = relu_model();
    *model.mutable_graph()->add_initializer() = tensor;
    return read(model).graph.initializers.at(0).tensor;
  }
  TempFolder folder_;
};

proto::TensorProto tensor_of(int32_t dtype, const std::vector<int64_t>& dims) {
  proto::TensorProto tensor;
  tensor.set_name("w");
  tensor.set_data_type(dtype);
  for (int64_t dim : dims) tensor.add_dims(dim);
  return tensor;
}

TEST_F(ReadModel, HeaderAndValues) {
  proto::ModelProto model = relu_model();
  model.set_producer_name("pytorch");
  auto* extra = model.add_opset_import();
  extra->set_domain("com.microsoft");
  extra->set_version(1);
  model.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(1)
      ->set_dim_param("past + 1");
  auto* unknown = model.mutable_graph()->add_value_info();
  unknown->set_name("mystery");
  const ModelDef read_back = read(model);
  EXPECT_EQ(read_back.ir_version, 8);
  EXPECT_EQ(read_back.producer, "pytorch");
  EXPECT_EQ(read_back.opsets, (std::map<std::string, int64_t>{{"", 17}, {"com.microsoft", 1}}));
  const ValueInfo& x = read_back.graph.inputs.at(0);
  EXPECT_EQ(x.dtype, DType::kF32);
  EXPECT_TRUE(x.has_shape);
  EXPECT_EQ(x.shape, (std::vector<Dim>{int64_t(2), std::string("past + 1")}));
  EXPECT_EQ(read_back.graph.outputs.at(0).shape[1], Dim(std::string()));
  EXPECT_EQ(read_back.graph.value_infos.at(0).dtype, DType::kUndefined);
  EXPECT_FALSE(read_back.graph.value_infos.at(0).has_shape);
}

TEST_F(ReadModel, ScalarHasAShape) {
  proto::ModelProto model = relu_model();
  set_value(model.mutable_graph()->add_value_info(), "s", proto::TensorProto::INT64, {});
  const ValueInfo scalar = read(model).graph.value_infos.at(0);
  EXPECT_TRUE(scalar.has_shape);
  EXPECT_TRUE(scalar.shape.empty());
}

TEST_F(ReadModel, AiOnnxIsTheEmptyDomain) {
  proto::ModelProto model = relu_model();
  model.mutable_opset_import(0)->set_domain("ai.onnx");
  model.mutable_graph()->mutable_node(0)->set_domain("ai.onnx");
  const ModelDef read_back = read(model);
  EXPECT_EQ(read_back.opsets.at(""), 17);
  EXPECT_EQ(read_back.graph.nodes[0].domain, "");
}

TEST_F(ReadModel, InputWithInitializerIsNoInput) {
  proto::ModelProto model = relu_model();
  set_value(model.mutable_graph()->add_input(), "w", proto::TensorProto::FLOAT, {1});
  add_tensor(model.mutable_graph(), "w", proto::TensorProto::FLOAT, {1})->add_float_data(3);
  EXPECT_EQ(read(model).graph.inputs.size(), 1u);
  EXPECT_EQ(read_signature(folder_ / "model.onnx").inputs.size(), 1u);
}

TEST_F(ReadModel, AttributesOfEveryKind) {
  proto::ModelProto model = relu_model();
  proto::NodeProto* node = model.mutable_graph()->mutable_node(0);
  const auto add = [&](const char* name, auto type) {
    auto* attribute = node->add_attribute();
    attribute->set_name(name);
    attribute->set_type(type);
    return attribute;
  };
  using Proto = proto::AttributeProto;
  add("i", Proto::INT)->set_i(-7);
  add("f", Proto::FLOAT)->set_f(0.25f);
  add("s", Proto::STRING)->set_s("tanh");
  *add("t", Proto::TENSOR)->mutable_t() = tensor_of(proto::TensorProto::INT64, {0});
  auto* ints = add("ints", Proto::INTS);
  for (int64_t value : {1L, -1L, INT64_MIN, INT64_MAX}) ints->add_ints(value);
  auto* floats = add("floats", Proto::FLOATS);
  floats->add_floats(-INFINITY);
  floats->add_floats(1);
  add("strings", Proto::STRINGS)->add_strings("a");
  add("none", Proto::INTS);
  add("type", Proto::TYPE_PROTO)->mutable_tp();
  const auto attributes = read(model).graph.nodes[0].attributes;
  ASSERT_EQ(attributes.size(), 9u);
  EXPECT_EQ(std::get<int64_t>(attributes[0].value), -7);
  EXPECT_EQ(std::get<float>(attributes[1].value), 0.25f);
  EXPECT_EQ(std::get<std::string>(attributes[2].value), "tanh");
  EXPECT_EQ(std::get<core::Tensor>(attributes[3].value).shape(), core::Shape{0});
  EXPECT_EQ(std::get<std::vector<int64_t>>(attributes[4].value),
            (std::vector<int64_t>{1, -1, INT64_MIN, INT64_MAX}));
  EXPECT_EQ(std::get<std::vector<float>>(attributes[5].value), (std::vector<float>{-INFINITY, 1}));
  EXPECT_EQ(std::get<std::vector<std::string>>(attributes[6].value), std::vector<std::string>{"a"});
  EXPECT_TRUE(std::get<std::vector<int64_t>>(attributes[7].value).empty());
  EXPECT_TRUE(std::holds_alternative<std::monostate>(attributes[8].value));
}

TEST_F(ReadModel, AttributeWithoutTypeIsWhatItHolds) {
  proto::ModelProto model = relu_model();
  auto* attribute = model.mutable_graph()->mutable_node(0)->add_attribute();
  attribute->set_name("axis");
  attribute->set_i(1);
  EXPECT_EQ(std::get<int64_t>(read(model).graph.nodes[0].attributes[0].value), 1);
}

TEST_F(ReadModel, PackedNumbersToo) {
  proto::ModelProto model = relu_model();
  std::string node = model.graph().node(0).SerializeAsString();
  // attribute { name: "p"  ints (packed): 3, -1  type: INTS }
  const std::string packed =
      std::string("\x0a\x01p") + "\x42\x0b\x03" + std::string(9, '\xff') + "\x01" + "\xa0\x01\x07";
  node += "\x2a" + std::string(1, char(packed.size())) + packed;
  ASSERT_TRUE(model.mutable_graph()->mutable_node(0)->ParseFromString(node));
  ASSERT_EQ(model.graph().node(0).attribute(0).ints_size(), 2);
  const std::string graph =
      std::string("\x0a") + char(node.size()) + node + "\x5a\x03\x0a\x01x" + "\x62\x03\x0a\x01y";
  const std::string bytes = std::string("\x08\x08\x42\x02\x10\x11\x3a") + char(graph.size()) + graph;
  const ModelDef read_back = read_model(write_file(folder_ / "packed.onnx", bytes));
  EXPECT_EQ(std::get<std::vector<int64_t>>(read_back.graph.nodes[0].attributes[0].value),
            (std::vector<int64_t>{3, -1}));
}

TEST_F(ReadModel, SubgraphReadsOuterValues) {
  proto::ModelProto model = relu_model();
  auto* attribute = model.mutable_graph()->mutable_node(0)->add_attribute();
  attribute->set_name("then_branch");
  attribute->set_type(proto::AttributeProto::GRAPH);
  add_node(attribute->mutable_g(), "Neg", {"x"}, {"inner"});
  set_value(attribute->mutable_g()->add_output(), "inner", proto::TensorProto::FLOAT, {});
  const ModelDef read_back = read(model);
  const auto graph = std::get<std::shared_ptr<GraphDef>>(read_back.graph.nodes[0].attributes[0].value);
  EXPECT_EQ(graph->nodes.at(0).inputs.at(0), "x");
}

TEST_F(ReadModel, NodesComeInExecutionOrder) {
  proto::ModelProto model = relu_model();
  proto::GraphProto* graph = model.mutable_graph();
  add_node(graph, "Add", {"b", "a"}, {"c"});
  // Reads "b" only through its branch.
  auto* attribute = add_node(graph, "If", {"x"}, {"d"})->add_attribute();
  attribute->set_name("then_branch");
  attribute->set_type(proto::AttributeProto::GRAPH);
  add_node(attribute->mutable_g(), "Neg", {"b"}, {"t"});
  add_node(graph, "Exp", {"a", ""}, {"b", ""});
  add_node(graph, "Log", {"x"}, {"a"});
  std::string order;
  for (const NodeDef& node : read(model).graph.nodes) order += node.op_type + " ";
  EXPECT_EQ(order, "Relu Log Exp Add If ");
}

TEST_F(ReadModel, Functions) {
  proto::ModelProto model = relu_model();
  proto::FunctionProto* function = model.add_functions();
  function->set_name("Scale");
  function->set_domain("local");
  function->add_input("v");
  function->add_output("r");
  function->add_attribute("alpha");
  function->add_opset_import()->set_version(18);
  proto::NodeProto* node = function->add_node();
  node->set_op_type("LeakyRelu");
  node->add_input("v");
  node->add_output("r");
  auto* alpha = node->add_attribute();
  alpha->set_name("alpha");
  alpha->set_ref_attr_name("alpha");
  alpha->set_type(proto::AttributeProto::FLOAT);
  // attribute_proto (11) is younger than Debian's schema: { name: "beta", i: 5, type: INT }
  function->mutable_unknown_fields()->append(
      "\x5a\x0b\x0a\x04"
      "beta\x18\x05\xa0\x01\x02",
      13);
  const std::vector<Function> functions = read(model).functions;
  ASSERT_EQ(functions.size(), 1u);
  EXPECT_EQ(functions[0].domain, "local");
  EXPECT_EQ(functions[0].attributes, std::vector<std::string>{"alpha"});
  EXPECT_EQ(functions[0].nodes.at(0).attributes.at(0).ref_attr_name, "alpha");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(functions[0].nodes[0].attributes[0].value));
  EXPECT_EQ(functions[0].defaults.at(0).name, "beta");
  EXPECT_EQ(std::get<int64_t>(functions[0].defaults[0].value), 5);
  EXPECT_EQ(functions[0].opsets.at(""), 18);
}

TEST_F(ReadModel, TypedFields) {
  using Proto = proto::TensorProto;
  proto::TensorProto f32 = tensor_of(Proto::FLOAT, {2});
  f32.add_float_data(1.5f);
  f32.add_float_data(-2);
  EXPECT_EQ(read_tensor(f32).as<float>()[1], -2);
  for (auto [type, dtype] : {std::pair{int(Proto::INT8), DType::kI8},
                             {int(Proto::INT16), DType::kI16},
                             {int(Proto::INT32), DType::kI32}}) {
    proto::TensorProto tensor = tensor_of(type, {2});
    tensor.add_int32_data(-3);
    tensor.add_int32_data(5);
    EXPECT_EQ(read_tensor(tensor).dtype(), dtype);
    EXPECT_EQ(read_tensor(tensor).at_i64(0), -3);
    EXPECT_EQ(read_tensor(tensor).at_i64(1), 5);
  }
  for (int type : {Proto::UINT8, Proto::BOOL, Proto::UINT16}) {
    proto::TensorProto tensor = tensor_of(type, {1});
    tensor.add_int32_data(1);
    EXPECT_EQ(read_tensor(tensor).at_i64(0), 1);
  }
  for (auto [type, bits] : {std::pair{int(Proto::FLOAT16), 0xc000}, {int(Proto::BFLOAT16), 0xc000}}) {
    proto::TensorProto tensor = tensor_of(type, {});
    tensor.add_int32_data(bits);
    EXPECT_EQ(read_tensor(tensor).at_f64(0), -2.0);
  }
  proto::TensorProto i64 = tensor_of(Proto::INT64, {1});
  i64.add_int64_data(INT64_MIN);
  EXPECT_EQ(read_tensor(i64).at_i64(0), INT64_MIN);
  proto::TensorProto f64 = tensor_of(Proto::DOUBLE, {1});
  f64.add_double_data(0.1);
  EXPECT_EQ(read_tensor(f64).at_f64(0), 0.1);
  proto::TensorProto u64 = tensor_of(Proto::UINT64, {1});
  u64.add_uint64_data(UINT64_MAX);
  EXPECT_EQ(read_tensor(u64).as<uint64_t>()[0], UINT64_MAX);
  proto::TensorProto u32 = tensor_of(Proto::UINT32, {1});
  u32.add_uint64_data(UINT32_MAX);
  EXPECT_EQ(read_tensor(u32).as<uint32_t>()[0], UINT32_MAX);
}

TEST_F(ReadModel, FourBitTensors) {
  proto::TensorProto tensor = tensor_of(22, {3});
  tensor.set_raw_data("\x21\x03", 2);
  EXPECT_EQ(read_tensor(tensor).dtype(), DType::kI4);
  EXPECT_EQ(read_tensor(tensor).bytes().size(), 2u);
}

TEST_F(ReadModel, PackedAndSmallTypesInInt32Data) {
  proto::TensorProto two_bits = tensor_of(26, {5});
  two_bits.add_int32_data(0x1b);
  two_bits.add_int32_data(0x02);
  EXPECT_EQ(read_tensor(two_bits).at_i64(0), -1);
  EXPECT_EQ(read_tensor(two_bits).at_i64(4), -2);
  proto::TensorProto float4 = tensor_of(23, {3});
  float4.add_int32_data(0x71);
  float4.add_int32_data(0x02);
  EXPECT_EQ(read_tensor(float4).at_f64(1), 6.0);
  proto::TensorProto float8 = tensor_of(19, {1});
  float8.add_int32_data(0xbc);
  EXPECT_EQ(read_tensor(float8).at_f64(0), -1.0);
}

TEST_F(ReadModel, EmptyAndScalarTensors) {
  EXPECT_EQ(read_tensor(tensor_of(proto::TensorProto::FLOAT, {1, 0, 4})).size(), 0u);
  proto::TensorProto raw = tensor_of(proto::TensorProto::FLOAT, {0});
  raw.set_raw_data("");
  EXPECT_EQ(read_tensor(raw).size(), 0u);
  proto::TensorProto scalar = tensor_of(proto::TensorProto::INT32, {});
  scalar.set_raw_data("\x07\0\0\0", 4);
  EXPECT_EQ(read_tensor(scalar).at_i64(0), 7);
}

TEST_F(ReadModel, StringTensorsKeepTheirShapeOnly) {
  proto::TensorProto tensor = tensor_of(proto::TensorProto::STRING, {2});
  tensor.add_string_data("a");
  tensor.add_string_data("b");
  EXPECT_EQ(read_tensor(tensor).dtype(), DType::kString);
  EXPECT_EQ(read_tensor(tensor).shape(), core::Shape{2});
}

// One byte more of producer name moves the weights by one byte: one of four positions suits floats.
TEST_F(ReadModel, CopiesOnlyMisalignedWeights) {
  std::vector<float> weights(1000);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = float(i);
  int in_place = 0;
  for (int shift = 0; shift < 4; ++shift) {
    proto::ModelProto model = relu_model();
    model.set_producer_name(std::string(size_t(shift + 1), 'p'));
    proto::TensorProto* tensor = add_tensor(model.mutable_graph(), "w", proto::TensorProto::FLOAT, {1000});
    tensor->set_raw_data(weights.data(), weights.size() * sizeof(float));
    const ModelDef read_back = read(model);
    const core::Tensor& read_weights = read_back.graph.initializers.at(0).tensor;
    EXPECT_EQ(0, std::memcmp(read_weights.as<float>().data(), weights.data(), 4000));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(read_weights.bytes().data()) % 4, 0u);
    EXPECT_EQ(read_back.copied_bytes, read_weights.file_backed() ? 0u : 4000u);
    in_place += read_weights.file_backed() ? 1 : 0;
  }
  EXPECT_EQ(in_place, 1);
}

TEST_F(ReadModel, TensorOutlivesModel) {
  proto::TensorProto tensor = tensor_of(proto::TensorProto::UINT8, {3});
  tensor.set_raw_data("abc");
  const core::Tensor kept = read_tensor(tensor);
  std::filesystem::remove(folder_ / "model.onnx");
  EXPECT_EQ(kept.as<uint8_t>()[2], 'c');
}

TEST_F(ReadModel, TensorFile) {
  proto::TensorProto tensor = tensor_of(proto::TensorProto::FLOAT, {1, 2});
  tensor.set_raw_data(std::string("\0\0\x80\x3f\0\0\0\x40", 8));
  const Initializer read_back =
      read_tensor_file(write_file(folder_ / "input_0.pb", tensor.SerializeAsString()));
  EXPECT_EQ(read_back.name, "w");
  EXPECT_EQ(read_back.tensor.as<float>()[1], 2.0f);
}

// A file of 1 GB, nearly all of it a hole: neither reader may touch the weights.
TEST_F(ReadModel, WeightsAreNotTouched) {
  constexpr uint64_t kCount = uint64_t(1) << 30;
  const std::string tensor_head =
      std::string("\x08\x80\x80\x80\x80\x04\x10\x02\x42\x01w\x4a\x80\x80\x80\x80\x04", 17);
  const auto varint = [](uint64_t value) {
    std::string bytes;
    for (; value >= 128; value >>= 7) bytes += char(value | 128);
    return bytes + char(value);
  };
  proto::ModelProto model = relu_model();
  const std::string graph = model.graph().SerializeAsString();
  const uint64_t tensor_size = tensor_head.size() + kCount;
  const std::string initializer = "\x2a" + varint(tensor_size) + tensor_head;
  model.clear_graph();
  const std::string head = model.SerializeAsString() + "\x3a" +
                           varint(graph.size() + initializer.size() + kCount) + graph + initializer;
  const auto path = write_file(folder_ / "huge.onnx", head);
  std::filesystem::resize_file(path, head.size() + kCount);
  const auto faults = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
  };
  const long before = faults();
  EXPECT_EQ(read_signature(path).inputs.size(), 1u);
  const ModelDef read_back = read_model(path);
  EXPECT_EQ(read_back.graph.initializers.at(0).tensor.bytes().size(), kCount);
  EXPECT_LT(faults() - before, 2000);
}

}  // namespace
}  // namespace vulcap::onnx
