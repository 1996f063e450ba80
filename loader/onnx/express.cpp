#include "loader/onnx/express.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/passes/partial_evaluation.h"

namespace vulcap::onnx {
namespace {

using core::DType;
using core::Tensor;
using graph::Attributes;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

constexpr int64_t kGeluOpset = 20, kRmsNormOpset = 23, kDftOperandOpset = 20, kGroupNormOpset = 21;

// Attributes that modernise() has turned into operands.
const std::map<std::string, std::vector<std::string>, std::less<>>& replaced_attributes() {
  static const std::map<std::string, std::vector<std::string>, std::less<>> table = {
      {"Squeeze", {"axes"}},    {"Unsqueeze", {"axes"}},
      {"Split", {"split"}},     {"Slice", {"starts", "ends", "axes"}},
      {"Clip", {"min", "max"}}, {"Pad", {"pads", "value"}},
      {"TopK", {"k"}},          {"Resize", {"scales"}},
      {"DFT", {"axis"}},        {"BatchNormalization", {"spatial"}}};
  return table;
}

Attributes without(const Attributes& attributes, const std::vector<std::string>& names) {
  Attributes kept;
  for (const auto& [name, value] : attributes.all())
    if (std::find(names.begin(), names.end(), name) == names.end()) kept.set(name, value);
  return kept;
}

Attributes with(std::string name, graph::Attribute value) {
  Attributes attributes;
  attributes.set(std::move(name), std::move(value));
  return attributes;
}

[[noreturn]] void fail(const Node& node, const std::string& why) {
  throw core::Error(core::ErrorCode::kInvalidModel, "node '" + node.name + "' (" + node.op + ") " + why);
}

class Expresser {
 public:
  Expresser(Graph& graph, const Target& target) : graph_(graph), target_(target) {}

  void run() {
    const std::vector<Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (const Node& node : nodes) visit(node);
  }

 private:
  void visit(Node node) {
    express_subgraphs(node);
    if (node.is("View", "vulcap")) return view(node);
    if (node.is("QuickGelu", "com.microsoft") && !target_.microsoft) return gated_sigmoid(node);
    if (node.is("FusedConv", "com.microsoft")) return fused_conv(std::move(node));
    if (!node.domain.empty()) return keep(std::move(node));
    if (node.is("Gelu") && target_.opset < kGeluOpset) return gelu(std::move(node));
    if (node.is("RMSNormalization") && target_.opset < kRmsNormOpset) return rms_norm(std::move(node));
    if (node.attributes.has("flatten")) return flat_softmax(std::move(node));
    refuse_changed(node);
    drop_replaced_attributes(node);
    if (node.is("Resize")) drop_empty_operands(node);
    if (node.is("GridSample")) rename_mode(node);
    keep(std::move(node));
  }

  void express_subgraphs(Node& node) const {
    const Attributes attributes = node.attributes;
    for (const auto& [name, attribute] : attributes.all()) {
      const auto* sub = std::get_if<std::shared_ptr<const Graph>>(&attribute);
      if (sub == nullptr) continue;
      Graph copy = **sub;
      express(copy, target_);
      node.attributes.set(name, std::make_shared<const Graph>(std::move(copy)));
    }
  }

  void keep(Node node) { graph_.nodes.push_back(std::move(node)); }

  // A node of ai.onnx in place of a part of `whole`; `last`: its output is that of `whole`.
  ValueId add(const Node& whole, const std::string& op, std::vector<ValueId> inputs,
              Attributes attributes = {}, bool last = false) {
    Node node{
        op, "", last ? whole.name : whole.name + "/" + op, std::move(inputs), {}, std::move(attributes)};
    if (last) {
      node.outputs = {whole.outputs[0]};
    } else {
      graph::Value value;
      value.name = whole.name + "/" + op;
      value.dtype = graph_.value(whole.outputs[0]).dtype;
      node.outputs = {graph_.add_value(std::move(value))};
    }
    const ValueId out = node.outputs[0];
    keep(std::move(node));
    return out;
  }

  ValueId number(const Node& node, double value, DType dtype) {
    Tensor tensor = Tensor::from<float>(DType::kF32, {}, {float(value)});
    if (dtype == DType::kF16) tensor = core::to_half(tensor);
    if (dtype == DType::kF64) tensor = Tensor::from<double>(dtype, {}, {value});
    return graph_.add_constant(node.name + "/number", std::move(tensor));
  }

  ValueId integers(const Node& node, const std::vector<int64_t>& values) {
    return graph_.add_constant(node.name + "/shape",
                               Tensor::from<int64_t>(DType::kI64, {int64_t(values.size())}, values));
  }

  void view(const Node& node) {
    const core::SymShape& from = *graph_.value(node.inputs[0]).shape;
    const core::SymShape& to = *graph_.value(node.outputs[0]).shape;
    const auto target = passes::reshape_target(from, to);
    const ValueId shape = target ? integers(node, *target) : sizes_of(node, from, to);
    add(node, "Reshape", {node.inputs[0], shape}, {}, true);
  }

  // A shape from the sizes of the value that is viewed.
  ValueId sizes_of(const Node& node, const core::SymShape& from, const core::SymShape& to) {
    std::vector<ValueId> parts;
    bool infers = false;
    for (const core::Dim& dim : to) {
      const auto source = std::find(from.begin(), from.end(), dim);
      if (dim.is_constant()) {
        parts.push_back(integers(node, {dim.value()}));
      } else if (source != from.end()) {
        Attributes axis = with("start", int64_t(source - from.begin()));
        axis.set("end", int64_t(source - from.begin()) + 1);
        parts.push_back(add(node, "Shape", {node.inputs[0]}, std::move(axis)));
      } else if (!infers) {
        infers = true;
        parts.push_back(integers(node, {-1}));
      } else {
        fail(node, "has a shape that cannot be written: " + core::shape_text(to) + " from " +
                       core::shape_text(from));
      }
    }
    return add(node, "Concat", std::move(parts), with("axis", int64_t(0)));
  }

  // x * sigmoid(alpha * x)
  void gated_sigmoid(const Node& node) {
    const ValueId x = node.inputs[0];
    const float alpha = node.attributes.real("alpha", 1.702f);
    const DType dtype = graph_.value(x).dtype;
    const ValueId scaled = alpha == 1.0f ? x : add(node, "Mul", {x, number(node, double(alpha), dtype)});
    add(node, "Mul", {x, add(node, "Sigmoid", {scaled})}, {}, true);
  }

  // Activations that ONNX Runtime's convolution takes stay where its operators may be used.
  void fused_conv(Node node) {
    static constexpr std::array kTaken = {"Relu", "Tanh", "Sigmoid", "LeakyRelu", "Clip", "HardSigmoid"};
    const std::string activation = node.attributes.text("activation", "");
    const bool taken = std::find(kTaken.begin(), kTaken.end(), activation) != kTaken.end();
    if (taken && target_.microsoft) return keep(std::move(node));
    if (node.inputs.size() > 3 || node.attributes.has("activation_params"))
      fail(node, "has no form in ai.onnx; write it with --level 3");
    const ValueId x = add(node, "Conv", node.inputs, without(node.attributes, {"activation"}));
    Node act{activation, "", node.name, {x}, node.outputs, {}};
    if (activation == "Gelu" && target_.opset < kGeluOpset) return gelu(std::move(act));
    if (activation != "Silu") return keep(std::move(act));
    act.attributes.set("alpha", 1.0f);
    gated_sigmoid(act);
  }

  void gelu(Node node) {
    const bool tanh = node.attributes.text("approximate", "none") == "tanh";
    if (target_.microsoft && !tanh) {
      node.domain = "com.microsoft";
      node.attributes = {};
      return keep(std::move(node));
    }
    const ValueId x = node.inputs[0];
    const DType dtype = graph_.value(x).dtype;
    const auto constant = [&](double value) { return number(node, value, dtype); };
    ValueId bent;
    if (tanh) {
      const ValueId cube = add(node, "Mul", {add(node, "Mul", {x, x}), x});
      const ValueId sum = add(node, "Add", {x, add(node, "Mul", {cube, constant(0.044715)})});
      bent = add(node, "Tanh", {add(node, "Mul", {sum, constant(std::sqrt(2 / M_PI))})});
    } else {
      bent = add(node, "Erf", {add(node, "Div", {x, constant(std::sqrt(2.0))})});
    }
    const ValueId product = add(node, "Mul", {x, add(node, "Add", {bent, constant(1)})});
    add(node, "Mul", {product, constant(0.5)}, {}, true);
  }

  // x / sqrt(mean(x^2) + epsilon) * scale, in fp32 whatever x is.
  void rms_norm(Node node) {
    if (target_.microsoft) {  // ONNX Runtime has it among the operators of ai.onnx
      node.op = "SimplifiedLayerNormalization";
      return keep(std::move(node));
    }
    const DType dtype = graph_.value(node.outputs[0]).dtype;
    if (node.attributes.integer("axis", -1) != -1)
      fail(node, "normalises several axes; write it with --opset 23");
    const bool wide = dtype == DType::kF32 || dtype == DType::kF64;
    const DType inner = wide ? dtype : DType::kF32;
    const auto cast = [&](ValueId value, DType to) {
      return wide ? value : add(node, "Cast", {value}, with("to", int64_t(to)));
    };
    const ValueId x = cast(node.inputs[0], inner);
    const ValueId mean = add(node, "ReduceMean", {add(node, "Mul", {x, x}), integers(node, {-1})});
    const double epsilon = double(node.attributes.real("epsilon", 1e-5f));
    const ValueId root = add(node, "Sqrt", {add(node, "Add", {mean, number(node, epsilon, inner)})});
    add(node, "Mul", {cast(add(node, "Div", {x, root}), dtype), node.inputs[1]}, {}, true);
  }

  // Before opset 13: over all axes from `axis` on.
  void flat_softmax(Node node) {
    const auto& shape = graph_.value(node.inputs[0]).shape;
    const int64_t axis = node.attributes.integer("axis", 1);
    const bool last = axis == -1 || (shape && axis + 1 == int64_t(shape->size()));
    if (last) {
      node.attributes = with("axis", int64_t(-1));
      return keep(std::move(node));
    }
    const ValueId sizes = add(node, "Shape", {node.inputs[0]});
    const ValueId matrix = add(node, "Flatten", {node.inputs[0]}, with("axis", axis));
    const ValueId result = add(node, node.op, {matrix}, with("axis", int64_t(-1)));
    add(node, "Reshape", {result, sizes}, {}, true);
  }

  // Operators that mean something else from a later opset on.
  void refuse_changed(const Node& node) const {
    const bool raised_over = [&](int64_t opset) {
      return target_.source < opset && opset <= target_.opset;
    }(kGroupNormOpset);
    if (node.is("GroupNormalization") && raised_over)
      fail(node, "means something else from opset 21 on; choose an older one by --opset");
    if (node.is("DFT") && target_.opset < kDftOperandOpset && target_.source < kDftOperandOpset)
      fail(node, "is written from opset 20 on only; choose that by --opset");
    if (node.is("Scan") && node.attributes.has("batched"))
      fail(node, "is of opset 8, whose form newer ones lack; export the model again");
    if (node.is("Resize") && node.attributes.text("nearest_mode", "") == "simple" &&
        node.attributes.text("mode", "nearest") == "nearest")
      fail(node, "is of opset 10 or older, whose rounding newer ones lack; export the model again");
  }

  static void drop_replaced_attributes(Node& node) {
    if (node.op.starts_with("Reduce")) node.attributes = without(node.attributes, {"axes"});
    const auto entry = replaced_attributes().find(node.op);
    if (entry != replaced_attributes().end()) node.attributes = without(node.attributes, entry->second);
    if (node.is("Resize") && node.attributes.text("nearest_mode", "") == "simple")
      node.attributes = without(node.attributes, {"nearest_mode"});
  }

  // Exporters state scales or sizes that are not meant as empty tensors.
  void drop_empty_operands(Node& node) {
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) continue;
      const auto& constant = graph_.value(node.inputs[i]).constant;
      if (constant && constant->size() == 0) node.inputs[i] = kNoValue;
    }
  }

  void rename_mode(Node& node) const {
    if (target_.opset < 20) return;
    const std::string mode = node.attributes.text("mode", "linear");
    if (mode == "bilinear") node.attributes.set("mode", std::string("linear"));
    if (mode == "bicubic") node.attributes.set("mode", std::string("cubic"));
  }

  Graph& graph_;
  const Target& target_;
};

}  // namespace

void express(Graph& graph, const Target& target) { Expresser(graph, target).run(); }

}  // namespace vulcap::onnx
