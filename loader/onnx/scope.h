// What a model asks for that vulcap does not set out to run.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "loader/onnx/model.h"

namespace vulcap::onnx {

struct Scope {
  std::string excluded;  // "training", "strings", "optional types", "sequence map", "ai.onnx.ml", or empty
  std::vector<size_t> training_inputs;  // graph inputs that switch Dropout to training when they are true
};

// Judged on types, domains and operators, never on names.
Scope model_scope(const ModelDef& model);

}  // namespace vulcap::onnx
