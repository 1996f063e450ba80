#include "loader/onnx/scope.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace vulcap::onnx {
namespace {

using core::DType;
using core::Tensor;

constexpr std::string_view kTraining = "training";
constexpr std::string_view kStrings = "strings";
constexpr std::string_view kOptional = "optional types";
constexpr std::string_view kClassic = "ai.onnx.ml";

class Judge {
 public:
  explicit Judge(const ModelDef& model) {
    const auto opset = model.opsets.find("");
    opset_ = opset == model.opsets.end() ? 0 : opset->second;
    graph(model.graph);
    for (const auto& list : {model.graph.inputs, model.graph.outputs}) {
      for (const ValueInfo& info : list)
        untyped_ = untyped_ || (info.dtype == DType::kUndefined && !info.is_sequence);
    }
    for (const Function& function : model.functions) {
      for (const NodeDef& item : function.nodes) node(item);
    }
    const bool maps = reasons_.count(std::string(kClassic)) > 0;  // they belong to its operators
    if (untyped_ && !maps) exclude(kOptional);
  }

  // The first of them in alphabetical order.
  std::string reason() const { return reasons_.empty() ? std::string() : *reasons_.begin(); }
  bool switches_training(const std::string& input) const { return training_switches_.count(input) > 0; }

 private:
  void exclude(std::string_view reason) { reasons_.emplace(reason); }

  void type(const ValueInfo& info) {
    if (info.dtype == DType::kString) exclude(kStrings);
  }

  void graph(const GraphDef& item) {
    for (const ValueInfo& info : item.inputs) type(info);
    for (const ValueInfo& info : item.outputs) type(info);
    for (const Initializer& constant : item.initializers) tensor(constant.name, constant.tensor);
    for (const NodeDef& inner : item.nodes) node(inner);
  }

  void tensor(const std::string& name, const Tensor& value) {
    if (value.dtype() == DType::kString) exclude(kStrings);
    if (value.dtype() == DType::kBool && value.size() == 1) switches_[name] = value.at_i64(0) != 0;
  }

  void node(const NodeDef& item) {
    if (item.domain == kClassic) exclude(kClassic);
    if (item.domain == "ai.onnx.preview.training") exclude(kTraining);
    if (item.op_type == "SequenceMap") exclude("sequence map");
    if (item.op_type.starts_with("Optional")) exclude(kOptional);
    if (item.op_type.starts_with("String")) exclude(kStrings);
    for (const Attribute& attribute : item.attributes) this->attribute(item, attribute);
    if (item.domain.empty()) training(item);
  }

  void attribute(const NodeDef& owner, const Attribute& item) {
    if (const auto* value = std::get_if<Tensor>(&item.value)) tensor(owner.outputs.at(0), *value);
    if (const auto* inner = std::get_if<std::shared_ptr<GraphDef>>(&item.value)) graph(**inner);
    const auto* number = std::get_if<int64_t>(&item.value);
    if (owner.op_type == "Cast" && item.name == "to" && number && DType(*number) == DType::kString)
      exclude(kStrings);
    if (item.name == "pool_strings") exclude(kStrings);
  }

  void training(const NodeDef& item) {
    if (item.op_type == "Dropout" && item.inputs.size() > 2 && !item.inputs[2].empty()) {
      const auto known = switches_.find(item.inputs[2]);
      if (known == switches_.end()) training_switches_.insert(item.inputs[2]);
      if (known != switches_.end() && known->second) exclude(kTraining);
    }
    if (item.op_type != "BatchNormalization") return;
    constexpr int64_t kExplicitMode = 14;  // before, the number of outputs told the mode
    const bool asked = std::any_of(item.attributes.begin(), item.attributes.end(), [](const Attribute& a) {
      const auto* number = std::get_if<int64_t>(&a.value);
      return a.name == "training_mode" && number != nullptr && *number != 0;
    });
    if (asked || (opset_ < kExplicitMode && item.outputs.size() > 1)) exclude(kTraining);
  }

  int64_t opset_ = 0;
  bool untyped_ = false;  // an input or output is neither tensor nor sequence
  std::set<std::string> reasons_;
  std::map<std::string, bool> switches_;  // constants of type bool
  std::set<std::string> training_switches_;
};

}  // namespace

Scope model_scope(const ModelDef& model) {
  const Judge judge(model);
  Scope scope{judge.reason(), {}};
  for (size_t i = 0; i < model.graph.inputs.size(); ++i) {
    if (judge.switches_training(model.graph.inputs[i].name)) scope.training_inputs.push_back(i);
  }
  return scope;
}

}  // namespace vulcap::onnx
