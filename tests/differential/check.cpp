#include "tests/differential/check.h"

#include <onnx/onnx.pb.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "loader/onnx/tensor_writer.h"
#include "runtime/core/error.h"
#include "runtime/graph/text.h"

namespace vulcap::test {
namespace {

namespace fs = std::filesystem;
namespace proto = ::onnx;
using core::DType;
using core::Tensor;

// What rounding in the coarsest float type of the graph may add up to, over a chain of nodes.
double tolerance(const DrawnCase& drawn) {
  double result = 1e-3;
  for (const graph::Value& value : drawn.graph.values) {
    if (value.dtype == DType::kF16) result = std::max(result, 0.1);
    if (value.dtype == DType::kBF16) result = std::max(result, 0.6);
  }
  return result;
}

std::string difference(const Tensor& got, const Tensor& want, double allowed) {
  if (got.dtype() != want.dtype() || got.shape() != want.shape())
    return "is " + std::string(core::dtype_name(got.dtype())) + core::shape_text(got.shape()) +
           ", expected " + std::string(core::dtype_name(want.dtype())) + core::shape_text(want.shape());
  double scale = 1;
  for (size_t i = 0; i < want.size(); ++i) scale = std::max(scale, std::abs(want.at_f64(i)));
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::abs(got.at_f64(i) - want.at_f64(i)) <= allowed * scale) continue;
    return "at " + std::to_string(i) + " is " + std::to_string(got.at_f64(i)) + ", expected " +
           std::to_string(want.at_f64(i));
  }
  return {};
}

void set_attribute(proto::AttributeProto& to, const std::string& name, const graph::Attribute& value) {
  to.set_name(name);
  if (const auto* number = std::get_if<int64_t>(&value)) {
    to.set_type(proto::AttributeProto::INT);
    to.set_i(*number);
  } else if (const auto* real = std::get_if<float>(&value)) {
    to.set_type(proto::AttributeProto::FLOAT);
    to.set_f(*real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    to.set_type(proto::AttributeProto::STRING);
    to.set_s(*text);
  } else if (const auto* numbers = std::get_if<std::vector<int64_t>>(&value)) {
    to.set_type(proto::AttributeProto::INTS);
    for (const int64_t item : *numbers) to.add_ints(item);
  }
}

void set_type(proto::ValueInfoProto& to, const std::string& name, const Tensor& tensor) {
  to.set_name(name);
  auto& type = *to.mutable_type()->mutable_tensor_type();
  type.set_elem_type(int(tensor.dtype()));
  for (const int64_t dim : tensor.shape()) type.mutable_shape()->add_dim()->set_dim_value(dim);
}

proto::ModelProto model_of(const DrawnCase& drawn) {
  constexpr int64_t kOpset = 24;
  constexpr int64_t kIrVersion = 11;
  proto::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.add_opset_import()->set_version(kOpset);
  proto::GraphProto& graph = *model.mutable_graph();
  graph.set_name("seed " + std::to_string(drawn.seed));
  const auto name_of = [&](graph::ValueId id) {
    return id == graph::kNoValue ? std::string() : drawn.graph.value(id).name;
  };
  for (graph::ValueId id : drawn.graph.inputs)
    set_type(*graph.add_input(), name_of(id), drawn.inputs.at(name_of(id)));
  for (graph::ValueId id : drawn.graph.outputs)
    set_type(*graph.add_output(), name_of(id), drawn.expected.at(name_of(id)));
  for (const graph::Value& value : drawn.graph.values) {
    if (!value.constant) continue;
    proto::TensorProto& tensor = *graph.add_initializer();
    tensor.set_name(value.name);
    tensor.set_data_type(int(value.dtype));
    for (const int64_t dim : value.constant->shape()) tensor.add_dims(dim);
    tensor.set_raw_data(value.constant->bytes().data(), value.constant->bytes().size());
  }
  for (const graph::Node& node : drawn.graph.nodes) {
    proto::NodeProto& to = *graph.add_node();
    to.set_op_type(node.op);
    to.set_name(node.name);
    for (graph::ValueId id : node.inputs) to.add_input(name_of(id));
    for (graph::ValueId id : node.outputs) to.add_output(name_of(id));
    for (const auto& [name, value] : node.attributes.all()) set_attribute(*to.add_attribute(), name, value);
  }
  return model;
}

}  // namespace

std::string disagreement(const DrawnCase& drawn, session::Device& device, const std::string& device_name) {
  std::string text;
  try {
    session::Session session(device, drawn.graph);
    const session::NamedTensors got = session.run(drawn.inputs);
    for (const auto& [name, want] : drawn.expected) {
      const std::string what = difference(got.at(name), want, drawn.exact.count(name) ? 0 : tolerance(drawn));
      if (!what.empty() && text.empty()) text = "output '" + name + "' " + what;
    }
  } catch (const core::Error& error) {
    text = error.message();
  }
  if (text.empty()) return text;
  return "--seed " + std::to_string(drawn.seed) + " on " + device_name + ": " + text + "\n" +
         graph::to_text(drawn.graph);
}

void write_case(const DrawnCase& drawn, const fs::path& folder) {
  const fs::path set = folder / "test_data_set_0";
  fs::create_directories(set);
  std::ofstream out(folder / "model.onnx", std::ios::binary);
  if (!model_of(drawn).SerializeToOstream(&out) || !out.flush())
    throw core::Error(core::ErrorCode::kRuntime, folder.string() + ": cannot be written");
  const auto write = [&](const char* role, const std::vector<graph::ValueId>& ids,
                         const session::NamedTensors& from) {
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::string& name = drawn.graph.value(ids[i]).name;
      onnx::write_tensor_file(set / (std::string(role) + "_" + std::to_string(i) + ".pb"), name,
                              from.at(name));
    }
  };
  write("input", drawn.graph.inputs, drawn.inputs);
  write("output", drawn.graph.outputs, drawn.expected);
}

}  // namespace vulcap::test
