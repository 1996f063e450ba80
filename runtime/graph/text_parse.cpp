#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/graph/text.h"

namespace vulcap::graph {
namespace {

// A number as written: `integer` is exact when there was no point, exponent or name.
struct Number {
  double real = 0;
  int64_t integer = 0;
  bool is_integer = false;
};

void store(core::Tensor& tensor, size_t index, const Number& value) {
  auto put = [&](auto typed) {
    std::memcpy(tensor.mutable_bytes().data() + index * sizeof typed, &typed, sizeof typed);
  };
  switch (tensor.dtype()) {
    case DType::kF32:
      return put(float(value.real));
    case DType::kF64:
      return put(value.real);
    case DType::kF16:
      return put(core::float_to_half(float(value.real)));
    case DType::kI64:
      return put(value.integer);
    case DType::kI32:
      return put(int32_t(value.integer));
    case DType::kI8:
      return put(int8_t(value.integer));
    default:
      return put(uint8_t(value.integer));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Graph run() {
    expect("graph");
    expect("(");
    while (!take(")")) {
      graph_.inputs.push_back(typed_value());
      take(",");
    }
    expect("{");
    while (!take("return")) statement();
    do graph_.outputs.push_back(operand());
    while (take(","));
    expect("}");
    return std::move(graph_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    size_t line = 1;
    for (size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n';
    throw core::Error(core::ErrorCode::kInvalidModel,
                      "graph text, line " + std::to_string(line) + ": " + what);
  }

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  bool take(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  void expect(std::string_view word) {
    if (!take(word)) fail("expected '" + std::string(word) + "'");
  }

  // Up to one of `ends`, which stays.
  std::string until(std::string_view ends) {
    skip_space();
    const size_t end = std::min(text_.find_first_of(ends, at_), text_.size());
    std::string word(text_.substr(at_, end - at_));
    at_ = end;
    while (!word.empty() && word.back() == ' ') word.pop_back();
    if (word.empty()) fail("expected a name");
    return word;
  }

  Number number() {
    skip_space();
    const std::string rest(text_.substr(at_, 40));
    char* end = nullptr;
    Number value;
    value.real = std::strtod(rest.c_str(), &end);
    if (end == rest.c_str()) fail("expected a number");
    const std::string_view word(rest.data(), size_t(end - rest.c_str()));
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value.integer);
    value.is_integer = error == std::errc() && stop == word.data() + word.size();
    if (!value.is_integer) value.integer = std::abs(value.real) < 9e18 ? int64_t(value.real) : 0;
    at_ += word.size();
    return value;
  }

  ValueId find_or_add(const std::string& name) {
    const ValueId found = graph_.find_value(name);
    if (found != kNoValue) return found;
    Value value;
    value.name = name;
    return graph_.add_value(std::move(value));
  }

  // "%name" or "%name: f32[1,2]", with an optional capacity; "_" is no value.
  ValueId typed_value() {
    if (take("_")) return kNoValue;
    expect("%");
    const ValueId id = find_or_add(until(",:)= \n"));
    if (take(":")) {
      const std::string dtype = until("[");
      graph_.value(id).dtype = core::dtype_from_name(dtype);
      if (graph_.value(id).dtype == DType::kUndefined) fail("unknown dtype '" + dtype + "'");
      expect("[");
      SymShape shape;
      while (!take("]")) {
        shape.push_back(dimension(until(",]")));
        take(",");
      }
      graph_.value(id).shape = std::move(shape);
    }
    if (take("capacity=")) graph_.value(id).capacity = number().integer;
    return id;
  }

  Dim dimension(const std::string& text) const {
    Dim dim;
    try {
      dim = Dim::parse(text);
    } catch (const core::Error& error) {
      fail(error.message());
    }
    if (dim.is_constant() && dim.value() < 0) fail("a dim of size " + text);
    return dim;
  }

  ValueId operand() {
    if (take("_")) return kNoValue;
    expect("%");
    const std::string name = until(",)} \n");
    const ValueId id = graph_.find_value(name);
    if (id == kNoValue) fail("value '%" + name + "' is not defined");
    return id;
  }

  void statement() {
    if (take("const")) return constant();
    Node node;
    do node.outputs.push_back(typed_value());
    while (take(","));
    expect("=");
    node.op = until("(");
    if (const size_t dot = node.op.rfind('.'); dot != std::string::npos) {
      node.domain = node.op.substr(0, dot);
      node.op = node.op.substr(dot + 1);
    }
    expect("(");
    while (!take(")")) {
      node.inputs.push_back(operand());
      take(",");
    }
    skip_space();
    if (take("{")) attributes(node);
    node.name =
        node.outputs.empty() || node.outputs[0] == kNoValue ? node.op : graph_.value(node.outputs[0]).name;
    graph_.nodes.push_back(std::move(node));
  }

  void attributes(Node& node) {
    while (!take("}")) {
      const std::string key = until("=");
      expect("=");
      node.attributes.set(key, attribute());
      take(",");
    }
  }

  Attribute attribute() {
    skip_space();
    if (take("\"")) {
      const size_t end = text_.find('"', at_);
      if (end == std::string_view::npos) fail("a string is not closed");
      std::string value(text_.substr(at_, end - at_));
      at_ = end + 1;
      return value;
    }
    if (take("[")) return list();
    const Number value = number();
    return value.is_integer ? Attribute(value.integer) : Attribute(float(value.real));
  }

  // Of integers, unless one element is written otherwise.
  Attribute list() {
    std::vector<int64_t> integers;
    std::vector<float> reals;
    bool all_integers = true;
    while (!take("]")) {
      const Number value = number();
      integers.push_back(value.integer);
      reals.push_back(float(value.real));
      all_integers = all_integers && value.is_integer;
      take(",");
    }
    return all_integers ? Attribute(std::move(integers)) : Attribute(std::move(reals));
  }

  void constant() {
    const ValueId id = typed_value();
    Value& value = graph_.value(id);
    if (!value.shape || !core::is_static(*value.shape)) fail("a constant needs a constant shape");
    core::Shape shape;
    for (const Dim& dim : *value.shape) shape.push_back(dim.value());
    core::Tensor tensor(value.dtype, shape);
    expect("=");
    if (take("?")) {
      fill_seeded(tensor);
    } else {
      fill_listed(tensor);
    }
    value.constant = std::move(tensor);
  }

  static void fill_seeded(core::Tensor& tensor) {
    uint32_t state = 1;
    for (size_t i = 0; i < tensor.size(); ++i) {
      state = state * 1664525u + 1013904223u;
      const double value = double(state >> 8) / double(1 << 23) - 1;
      store(tensor, i, {value, int64_t(value), false});
    }
  }

  void fill_listed(core::Tensor& tensor) {
    expect("{");
    std::vector<Number> values;
    while (!take("}")) {
      values.push_back(number());
      take(",");
    }
    if (values.size() != 1 && values.size() != tensor.size())
      fail("a constant has " + std::to_string(values.size()) + " elements, not " +
           std::to_string(tensor.size()));
    for (size_t i = 0; i < tensor.size(); ++i) store(tensor, i, values[values.size() == 1 ? 0 : i]);
  }

  std::string_view text_;
  size_t at_ = 0;
  Graph graph_;
};

}  // namespace

Graph parse_text(std::string_view text) { return Parser(text).run(); }

}  // namespace vulcap::graph
