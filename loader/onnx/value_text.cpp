#include "loader/onnx/value_text.h"

namespace vulcap::onnx {

std::string type_text(const ValueInfo& info) {
  std::string text = (info.is_sequence ? "sequence of " : "") + std::string(core::dtype_name(info.dtype));
  if (!info.has_shape) return text + "[?]";
  std::string dims;
  for (const Dim& dim : info.shape) {
    const auto* number = std::get_if<int64_t>(&dim);
    const std::string name = number != nullptr ? std::to_string(*number) : std::get<std::string>(dim);
    dims += (dims.empty() ? "" : ",") + (name.empty() ? "?" : name);
  }
  return text + "[" + dims + "]";
}

}  // namespace vulcap::onnx
