#include "loader/lora/weight_index.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "loader/onnx/message_rewriter.h"

namespace vulcap::lora {
namespace {

// What a value is made of: a weight, turned round or not.
struct Source {
  size_t weight = 0;
  bool transposed = false;
  bool quantised = false;
};

template <typename T>
const T* attribute_of(const onnx::NodeDef& node, std::string_view name) {
  for (const onnx::Attribute& attribute : node.attributes)
    if (attribute.name == name) return std::get_if<T>(&attribute.value);
  return nullptr;
}

int64_t integer(const onnx::NodeDef& node, std::string_view name, int64_t fallback) {
  const auto* value = attribute_of<int64_t>(node, name);
  return value == nullptr ? fallback : *value;
}

bool is_one(const onnx::NodeDef& node, std::string_view name) {
  const auto* value = attribute_of<float>(node, name);
  return value == nullptr || *value == 1.0f;
}

bool works_on_integers(const std::string& op) {
  return op.starts_with("QLinear") || op.starts_with("MatMulNBits") || op.starts_with("MatMulBnb4") ||
         op.ends_with("Integer") || op.starts_with("DynamicQuantize") || op == "MatMulIntegerToFloat" ||
         op == "QGemm" || op == "QAttention" || op == "GatherBlockQuantized" || op == "DequantizeLinear";
}

Layout flipped(Layout layout, bool flip) {
  if (!flip) return layout;
  return layout == Layout::kInOut ? Layout::kOutIn : Layout::kInOut;
}

Layout layout_of(const onnx::NodeDef& node, size_t input, const Source& source) {
  const std::string& op = node.op_type;
  if (source.quantised || works_on_integers(op)) return Layout::kQuantised;
  const bool product = op == "MatMul" || op == "FusedMatMul" || op == "Gemm" || op == "FusedGemm";
  if (product && input < 2 && is_one(node, "alpha")) {
    const bool turned = integer(node, input == 0 ? "transA" : "transB", 0) != 0;
    return flipped(input == 0 ? Layout::kOutIn : Layout::kInOut, turned != source.transposed);
  }
  if (source.transposed) return Layout::kUnknown;
  if (op == "Conv" && input == 1) return Layout::kOutIn;
  if (op == "Gather" && input == 0 && integer(node, "axis", 0) == 0) return Layout::kTable;
  const bool third = input == 2 && (op == "Conv" || (product && is_one(node, "beta")));
  return third || op == "Add" ? Layout::kVector : Layout::kUnknown;
}

bool swaps_two_axes(const onnx::NodeDef& node, const core::Tensor& tensor) {
  if (node.op_type != "Transpose" || tensor.shape().size() != 2) return false;
  const auto* perm = attribute_of<std::vector<int64_t>>(node, "perm");
  return perm == nullptr || *perm == std::vector<int64_t>{1, 0};
}

// "x_merged_0" of optimum's merged decoders is x.
std::string_view without_merge_mark(std::string_view name) {
  const size_t mark = name.rfind("_merged_");
  const bool numbered = mark != std::string_view::npos && mark + 8 < name.size() &&
                        name.find_first_not_of("0123456789", mark + 8) == std::string_view::npos;
  return numbered ? name.substr(0, mark) : name;
}

bool same_bytes(const core::Tensor& a, const core::Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && a.bytes().size() == b.bytes().size() &&
         std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0;
}

// Whether `b` is the matrix `a` turned round.
bool is_transpose(const core::Tensor& a, const core::Tensor& b) {
  const size_t item = core::dtype_bits(a.dtype()) / 8;
  if (a.dtype() != b.dtype() || item == 0 || a.shape().size() != 2 || b.shape().size() != 2) return false;
  const auto rows = size_t(a.shape()[0]), columns = size_t(a.shape()[1]);
  if (size_t(b.shape()[0]) != columns || size_t(b.shape()[1]) != rows) return false;
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      const std::byte* in_a = a.bytes().data() + (row * columns + column) * item;
      const std::byte* in_b = b.bytes().data() + (column * rows + row) * item;
      if (std::memcmp(in_a, in_b, item) != 0) return false;
    }
  }
  return true;
}

bool is_read(const Weight& weight, bool (*as)(Layout)) {
  return std::any_of(weight.readers.begin(), weight.readers.end(),
                     [&](const WeightReader& reader) { return as(reader.layout); });
}

bool is_table(Layout layout) { return layout == Layout::kTable; }

}  // namespace

bool is_linear(Layout layout) { return layout == Layout::kOutIn || layout == Layout::kInOut; }

// Walks graphs in order and follows weights through the nodes that only pass them on.
class WeightIndex::Walker {
 public:
  explicit Walker(std::vector<Weight>& weights) : weights_(weights) {}

  void walk(onnx::GraphDef& graph, const std::string& place, std::map<std::string, Source> known) {
    for (onnx::Initializer& item : graph.initializers)
      known[item.name] = {add(item.name, item.tensor, place + item.name)};
    for (onnx::NodeDef& node : graph.nodes) visit(node, place, known);
  }

 private:
  size_t add(const std::string& name, core::Tensor& tensor, const std::string& place) {
    weights_.push_back({&tensor, name, place, {}});
    return weights_.size() - 1;
  }

  void visit(onnx::NodeDef& node, const std::string& place, std::map<std::string, Source>& known) {
    const std::string output = node.outputs.empty() ? "" : node.outputs[0];
    for (onnx::Attribute& attribute : node.attributes) {
      auto* tensor = std::get_if<core::Tensor>(&attribute.value);
      if (node.op_type == "Constant" && tensor != nullptr)
        known[output] = {add(output, *tensor, place + output)};
      if (auto* body = std::get_if<std::shared_ptr<onnx::GraphDef>>(&attribute.value))
        walk(**body, onnx::place_of_subgraph(place, output, attribute.name), known);
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const auto source = known.find(node.inputs[i]);
      if (source == known.end()) continue;
      if (i == 0 && passes_on(node, source->second)) {
        known[output] = passed_on(node, source->second);
      } else {
        std::vector<WeightReader>& readers = weights_[source->second.weight].readers;
        readers.push_back({node.module, node.op_type, layout_of(node, i, source->second)});
        if (node.module.empty() && node.op_type == "MatMul")
          nameless_[output] = {source->second.weight, readers.size() - 1};
      }
    }
    if (node.op_type == "Add" && node.inputs.size() == 2) name_by_bias(node, known);
  }

  // A product without a module that "query.bias" is added to is that of query.
  void name_by_bias(const onnx::NodeDef& node, const std::map<std::string, Source>& known) {
    for (size_t i = 0; i < 2; ++i) {
      const auto product = nameless_.find(node.inputs[i]);
      const auto bias = known.find(node.inputs[1 - i]);
      if (product == nameless_.end() || bias == known.end()) continue;
      const std::string_view name = without_merge_mark(weights_[bias->second.weight].name);
      const auto& [weight, reader] = product->second;
      if (name.ends_with(".bias")) weights_[weight].readers[reader].module = name.substr(0, name.size() - 5);
    }
  }

  bool passes_on(const onnx::NodeDef& node, const Source& source) const {
    return node.op_type == "Identity" || node.op_type == "Cast" || node.op_type == "DequantizeLinear" ||
           swaps_two_axes(node, *weights_[source.weight].tensor);
  }

  Source passed_on(const onnx::NodeDef& node, Source source) const {
    if (node.op_type == "Transpose") source.transposed = !source.transposed;
    if (node.op_type == "DequantizeLinear") source.quantised = true;
    return source;
  }

  std::vector<Weight>& weights_;
  std::map<std::string, std::pair<size_t, size_t>> nameless_;  // a product -> its weight and reader
};

WeightIndex::WeightIndex(onnx::ModelDef& model) {
  Walker(weights_).walk(model.graph, "", {});
  for (size_t weight = 0; weight < weights_.size(); ++weight) {
    index_by_name(weight);
    index_by_readers(weight);
  }
}

void WeightIndex::add_parameter(std::map<std::string, std::vector<size_t>>& parameters,
                                const std::string& module, const std::string& kind, size_t weight) {
  if (module.empty()) return;
  std::vector<size_t>& list = parameters[module + "." + kind];
  if (list.empty() || list.back() != weight) list.push_back(weight);
  if (kind == "weight") modules_.insert(module);
}

void WeightIndex::index_by_name(size_t weight) {
  // Branches may have a folder of their own: "first/fc.bias".
  std::string_view name = without_merge_mark(weights_[weight].name);
  name.remove_prefix(name.rfind('/') + 1);
  for (const std::string kind : {"weight", "bias"}) {
    if (!name.ends_with("." + kind)) continue;
    std::string_view module = name.substr(0, name.size() - kind.size() - 1);
    const bool built = module.ends_with(".MatMul") || module.ends_with(".Add");
    if (built) module = module.substr(0, module.rfind('.'));
    add_parameter(named_, std::string(module), kind, weight);
    if (!built) original_.insert(weight);
  }
}

void WeightIndex::index_by_readers(size_t weight) {
  for (const WeightReader& reader : weights_[weight].readers) {
    if (reader.layout == Layout::kUnknown) continue;
    add_parameter(read_, reader.module, reader.layout == Layout::kVector ? "bias" : "weight", weight);
  }
}

std::vector<size_t> WeightIndex::find(const std::string& module, const std::string& kind) const {
  const auto named = named_.find(module + "." + kind);
  if (named != named_.end()) return named->second;
  const auto read = read_.find(module + "." + kind);
  if (read == read_.end()) return {};
  std::vector<size_t> found = read->second;
  // A module that is called again goes by "name_1", "name_2" and may read a copy.
  for (int call = 1;; ++call) {
    const auto again = read_.find(module + "_" + std::to_string(call) + "." + kind);
    if (again == read_.end()) return found;
    for (const size_t weight : again->second) {
      const bool known = std::find(found.begin(), found.end(), weight) != found.end();
      if (!known && same_bytes(*weights_[weight].tensor, *weights_[found[0]].tensor)) found.push_back(weight);
    }
  }
}

std::vector<size_t> WeightIndex::tied_copies(size_t weight) const {
  const Weight& original = weights_[weight];
  const bool table = is_read(original, is_table), linear = is_read(original, is_linear);
  std::vector<size_t> copies;
  if (!table && !linear) return copies;
  for (size_t other = 0; other < weights_.size(); ++other) {
    const Weight& candidate = weights_[other];
    if (other == weight || candidate.tensor->bytes().size() != original.tensor->bytes().size()) continue;
    const bool pair = (table && is_read(candidate, is_linear)) || (linear && is_read(candidate, is_table));
    if (!pair) continue;
    if (same_bytes(*candidate.tensor, *original.tensor) || is_transpose(*original.tensor, *candidate.tensor))
      copies.push_back(other);
  }
  return copies;
}

}  // namespace vulcap::lora
