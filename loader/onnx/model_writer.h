// A model file written again with other numbers in some of its tensors.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

#include "loader/onnx/model.h"
#include "loader/onnx/model_files.h"
#include "runtime/core/tensor.h"

namespace vulcap::onnx {

// By place (see message_rewriter.h) and name. Dtype and shape are those of the tensor that is replaced.
using TensorEdits = std::map<std::string, core::Tensor>;

// Writes `model` to `out` with the tensors of `edits`; every other field keeps its bytes, known to onnx.proto
// or not. Tensors that lie in external files are put into `out`.data, and so are all large ones where the
// file would otherwise exceed `inline_limit`. Either file takes its name only when both are complete.
// Throws core::Error: kInvalidModel as read_model does, kUsage when `out` is one of the files that are read,
// kRuntime when a file cannot be written.
void rewrite_model(const std::filesystem::path& model, const TensorEdits& edits,
                   const std::filesystem::path& out, size_t inline_limit = kLargestFile);

}  // namespace vulcap::onnx
