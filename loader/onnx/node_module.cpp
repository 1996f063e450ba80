#include "loader/onnx/node_module.h"

#include <algorithm>

namespace vulcap::onnx {

std::string module_of_metadata(const std::pair<std::string, std::string>& entry) {
  const auto& [key, value] = entry;
  if (key != "pkg.torch.onnx.name_scopes") return "";
  const size_t operation = value.rfind(", '");
  if (operation == std::string::npos || operation == 0) return "";
  const size_t end = value.rfind('\'', operation);
  if (end == std::string::npos || end == 0) return "";
  const size_t begin = value.rfind('\'', end - 1);
  return begin == std::string::npos ? "" : value.substr(begin + 1, end - begin - 1);
}

std::string module_of_name(const std::string& name) {
  const size_t end = name.rfind('/');
  if (!name.starts_with('/') || end == 0) return "";
  std::string module;
  for (size_t begin = 1; begin < end;) {
    const size_t stop = name.find('/', begin);
    const std::string part = name.substr(begin, stop - begin);
    begin = stop + 1;
    // A Sequential that was called stands before its children, whose names begin with its own: "fc/fc.0".
    if (name.compare(begin, part.size() + 1, part + ".") == 0) continue;
    module += (module.empty() ? "" : ".") + part;
  }
  return module;
}

}  // namespace vulcap::onnx
