#include <cstdio>

#include "runtime/graph/text.h"

namespace vulcap::graph {
namespace {

constexpr size_t kMaxPrintedElements = 16;

std::string number_text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}

std::string element_text(const core::Tensor& tensor, size_t index) {
  const bool integer = !core::dtype_is_float(tensor.dtype());
  return integer ? std::to_string(tensor.at_i64(index)) : number_text(tensor.at_f64(index));
}

std::string constant_text(const core::Tensor& tensor) {
  bool uniform = tensor.size() > 0;
  for (size_t i = 1; i < tensor.size() && uniform; ++i) uniform = tensor.at_f64(i) == tensor.at_f64(0);
  if (uniform) return "{" + element_text(tensor, 0) + "}";
  if (tensor.size() > kMaxPrintedElements) return "?";
  std::string text = "{";
  for (size_t i = 0; i < tensor.size(); ++i) text += (i ? ", " : "") + element_text(tensor, i);
  return text + "}";
}

// Always with a mark that it is no integer.
std::string real_text(float value) {
  const std::string text = number_text(value);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

template <typename T, typename Text>
std::string list_text(const std::vector<T>& values, Text element) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i ? "," : "") + element(values[i]);
  return text + "]";
}

std::string attribute_text(const Attribute& attribute) {
  if (const auto* i = std::get_if<int64_t>(&attribute)) return std::to_string(*i);
  if (const auto* f = std::get_if<float>(&attribute)) return real_text(*f);
  if (const auto* s = std::get_if<std::string>(&attribute)) return "\"" + *s + "\"";
  if (const auto* is = std::get_if<std::vector<int64_t>>(&attribute)) {
    return list_text(*is, [](int64_t i) { return std::to_string(i); });
  }
  if (const auto* fs = std::get_if<std::vector<float>>(&attribute)) return list_text(*fs, real_text);
  if (const auto* t = std::get_if<core::Tensor>(&attribute)) return "tensor" + core::shape_text(t->shape());
  return "<graph>";
}

class Writer {
 public:
  explicit Writer(const Graph& graph) : graph_(graph) {}

  std::string run() {
    text_ = "graph(";
    for (size_t i = 0; i < graph_.inputs.size(); ++i) text_ += (i ? ", " : "") + typed(graph_.inputs[i]);
    text_ += ") {\n";
    for (const Node& node : graph_.nodes) write_constants(node);
    for (const Node& node : graph_.nodes) write_node(node);
    text_ += "  return ";
    for (size_t i = 0; i < graph_.outputs.size(); ++i) text_ += (i ? ", " : "") + name(graph_.outputs[i]);
    return text_ + "\n}\n";
  }

 private:
  std::string name(ValueId id) const { return id == kNoValue ? "_" : "%" + graph_.value(id).name; }

  std::string typed(ValueId id) const {
    if (id == kNoValue) return "_";
    const Value& value = graph_.value(id);
    std::string text = name(id);
    if (value.shape)
      text += ": " + std::string(core::dtype_name(value.dtype)) + core::shape_text(*value.shape);
    if (value.capacity > 0) text += " capacity=" + std::to_string(value.capacity);
    return text;
  }

  void write_constants(const Node& node) {
    written_.resize(graph_.values.size(), false);
    for (ValueId in : node.inputs) {
      if (in == kNoValue || !graph_.value(in).constant || written_[size_t(in)]) continue;
      written_[size_t(in)] = true;
      text_ += "  const " + typed(in) + " = " + constant_text(*graph_.value(in).constant) + "\n";
    }
  }

  void write_node(const Node& node) {
    text_ += "  ";
    for (size_t i = 0; i < node.outputs.size(); ++i) text_ += (i ? ", " : "") + typed(node.outputs[i]);
    text_ += " = " + (node.domain.empty() ? "" : node.domain + ".") + node.op + "(";
    for (size_t i = 0; i < node.inputs.size(); ++i) text_ += (i ? ", " : "") + name(node.inputs[i]);
    text_ += ")";
    std::string attributes;
    for (const auto& [key, value] : node.attributes.all())
      attributes += (attributes.empty() ? "" : ", ") + key + "=" + attribute_text(value);
    if (!attributes.empty()) text_ += " {" + attributes + "}";
    text_ += "\n";
  }

  const Graph& graph_;
  std::string text_;
  std::vector<bool> written_;
};

}  // namespace

std::string to_text(const Graph& graph) { return Writer(graph).run(); }

}  // namespace vulcap::graph
