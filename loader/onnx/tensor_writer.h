// core::Tensor to a TensorProto file.
#pragma once

#include <filesystem>
#include <string>

#include "runtime/core/tensor.h"

namespace vulcap::onnx {

// Throws core::Error(kRuntime) beginning with the path when the file cannot be written.
void write_tensor_file(const std::filesystem::path& path, const std::string& name,
                       const core::Tensor& tensor);

}  // namespace vulcap::onnx
