// What a model asks for that vulcap does not set out to run. Judged on the file alone, so that a model which
// cannot be read by read_model() is judged as well.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace vulcap::onnx {

struct Scope {
  std::string excluded;  // "training", "strings", "optional types", "sequence map", "ai.onnx.ml", or empty
  std::vector<size_t> training_inputs;  // graph inputs that switch Dropout to training when they are true
};

// Throws core::Error(kInvalidModel) beginning with the path when the file is no ONNX model.
Scope model_scope(const std::filesystem::path& path);

}  // namespace vulcap::onnx
