#pragma once

#include <string>

#include "loader/onnx/model.h"

namespace vulcap::onnx {

// "f32[batch,3,?]", "sequence of i64[?]": what a file declares of a value.
std::string type_text(const ValueInfo& info);

}  // namespace vulcap::onnx
