// A model file written again with other numbers in some of its tensors.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

#include "loader/onnx/model.h"
#include "runtime/core/tensor.h"

namespace vulcap::onnx {

// Where a graph stands in a model: "" is the outermost one; names of tensors follow. Initializers go by their
// own name, the tensor of a Constant node by its output's.
std::string place_of_subgraph(const std::string& place, const std::string& first_output,
                              const std::string& attribute);

// By place and name. Dtype and shape are those of the tensor that is replaced.
using TensorEdits = std::map<std::string, core::Tensor>;

// Protobuf cannot hold more than 2 GiB.
inline constexpr size_t kLargestFile = (size_t(1) << 31) - 1;

// Writes `model` to `out` with the tensors of `edits`; every other field keeps its bytes, known to onnx.proto
// or not. Tensors that lie in external files are put into `out`.data, and so are all large ones where the
// file would otherwise exceed `inline_limit`. Either file takes its name only when both are complete.
// Throws core::Error: kInvalidModel as read_model does, kUsage when `out` is one of the files that are read,
// kRuntime when a file cannot be written.
void rewrite_model(const std::filesystem::path& model, const TensorEdits& edits,
                   const std::filesystem::path& out, size_t inline_limit = kLargestFile);

}  // namespace vulcap::onnx
