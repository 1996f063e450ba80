#include "runtime/passes/node_key.h"

#include <memory>

namespace vulcap::passes {
namespace {

template <typename T>
std::string bytes_of(const std::vector<T>& list) {
  return std::string(reinterpret_cast<const char*>(list.data()), list.size() * sizeof(T));
}

std::string text_of(const graph::Attribute& attribute) {
  if (const auto* i = std::get_if<int64_t>(&attribute)) return "i" + std::to_string(*i);
  if (const auto* f = std::get_if<float>(&attribute)) return "f" + bytes_of(std::vector<float>{*f});
  if (const auto* s = std::get_if<std::string>(&attribute)) return "s" + *s;
  if (const auto* is = std::get_if<std::vector<int64_t>>(&attribute)) return "I" + bytes_of(*is);
  if (const auto* fs = std::get_if<std::vector<float>>(&attribute)) return "F" + bytes_of(*fs);
  if (const auto* t = std::get_if<core::Tensor>(&attribute)) return "t" + passes::text_of(*t);
  std::string text = "S";
  for (const std::string& s : std::get<std::vector<std::string>>(attribute))
    text += std::to_string(s.size()) + ":" + s;
  return text;
}

}  // namespace

std::string text_of(const core::Tensor& tensor) {
  const auto bytes = tensor.bytes();
  return std::string(core::dtype_name(tensor.dtype())) + core::shape_text(tensor.shape()) +
         std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string key_of(const graph::Node& node) {
  std::string key = node.domain + "." + node.op + "/" + std::to_string(node.outputs.size());
  for (const auto& [name, attribute] : node.attributes.all()) {
    if (std::holds_alternative<std::shared_ptr<const graph::Graph>>(attribute)) return "";
    key += "\n" + name + "=" + text_of(attribute);
  }
  return key;
}

}  // namespace vulcap::passes
