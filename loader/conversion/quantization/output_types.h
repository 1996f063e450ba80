// Element types of what a node computes.
#pragma once

#include <cstdint>
#include <vector>

#include "loader/onnx/editable_model.h"

namespace vulcap::quantization {

// TensorProto::DataType of each output, given those of the inputs (0 where one is unknown or left out). Of
// operators with subgraphs (If, Loop, Scan) 0: their graphs say it. Operators that are not known pass on the
// type of their first input.
std::vector<int32_t> output_types(const ::onnx::NodeProto& node, const std::vector<int32_t>& inputs);

}  // namespace vulcap::quantization
