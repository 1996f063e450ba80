// Small tests in the ONNX project's layout and single graphs, written by protobuf.
#pragma once

#include <string>
#include <vector>

#include "loader/onnx/tensor_writer.h"
#include "tests/apps/model_folder.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::testing {

inline core::Tensor floats(const core::Shape& shape, const std::vector<float>& values) {
  return core::Tensor::from<float>(core::DType::kF32, shape, values);
}

inline void write_model(const fs::path& path, const ::onnx::ModelProto& model) {
  write_file(path, model.SerializeAsString());
}

// z/sum = x + y over f32[2,n].
inline ::onnx::ModelProto sum_model() {
  namespace builder = onnx_test;
  constexpr auto kFloat = ::onnx::TensorProto::FLOAT;
  ::onnx::ModelProto model = builder::empty_model();
  for (const char* name : {"x", "y"})
    builder::set_value(model.mutable_graph()->add_input(), name, kFloat, {2, -1});
  model.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(1)
      ->set_dim_param("n");
  model.mutable_graph()
      ->mutable_input(1)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(1)
      ->set_dim_param("n");
  builder::set_value(model.mutable_graph()->add_output(), "z/sum", kFloat, {2, -1});
  builder::add_node(model.mutable_graph(), "Add", {"x", "y"}, {"z/sum"});
  return model;
}

// A test folder of `model` with one data set.
inline void write_test(const fs::path& folder, const ::onnx::ModelProto& model,
                       const std::vector<core::Tensor>& inputs, const std::vector<core::Tensor>& outputs) {
  write_model(folder / "model.onnx", model);
  const fs::path set = folder / "test_data_set_0";
  fs::create_directories(set);
  for (size_t i = 0; i < inputs.size(); ++i)
    onnx::write_tensor_file(set / ("input_" + std::to_string(i) + ".pb"), "", inputs[i]);
  for (size_t i = 0; i < outputs.size(); ++i)
    onnx::write_tensor_file(set / ("output_" + std::to_string(i) + ".pb"), "", outputs[i]);
}

}  // namespace vulcap::testing
