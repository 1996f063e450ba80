// Small models for tests, written by protobuf itself and not by the code under test.
#pragma once

#include <onnx/onnx.pb.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/core/error.h"

namespace vulcap::onnx_test {

namespace proto = ::onnx;

// A folder that is removed with the object.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "vulcap_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
  return path;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("missing test data " + path.string());
  return std::string(std::istreambuf_iterator<char>(in), {});
}

inline proto::ModelProto empty_model(int64_t opset = 17) {
  proto::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(opset);
  model.mutable_graph()->set_name("g");
  return model;
}

// dims: negative for an unknown size.
inline void set_value(proto::ValueInfoProto* value, const std::string& name, int32_t dtype,
                      const std::vector<int64_t>& dims) {
  value->set_name(name);
  auto* tensor = value->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(dtype);
  tensor->mutable_shape();
  for (int64_t dim : dims) {
    auto* added = tensor->mutable_shape()->add_dim();
    if (dim >= 0) added->set_dim_value(dim);
  }
}

inline proto::NodeProto* add_node(proto::GraphProto* graph, const std::string& op,
                                  const std::vector<std::string>& inputs,
                                  const std::vector<std::string>& outputs) {
  proto::NodeProto* node = graph->add_node();
  node->set_op_type(op);
  for (const auto& input : inputs) node->add_input(input);
  for (const auto& output : outputs) node->add_output(output);
  return node;
}

inline proto::TensorProto* add_tensor(proto::GraphProto* graph, const std::string& name, int32_t dtype,
                                      const std::vector<int64_t>& dims) {
  proto::TensorProto* tensor = graph->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(dtype);
  for (int64_t dim : dims) tensor->add_dims(dim);
  return tensor;
}

// y = Relu(x), x f32[2,n].
inline proto::ModelProto relu_model() {
  proto::ModelProto model = empty_model();
  set_value(model.mutable_graph()->add_input(), "x", proto::TensorProto::FLOAT, {2, -1});
  set_value(model.mutable_graph()->add_output(), "y", proto::TensorProto::FLOAT, {2, -1});
  add_node(model.mutable_graph(), "Relu", {"x"}, {"y"});
  return model;
}

// The message of the core::Error that `body` throws; "" when it throws none.
template <typename Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const core::Error& error) {
    return error.message();
  }
  return "";
}

}  // namespace vulcap::onnx_test
