#include "loader/onnx/scope.h"

#include <onnx/onnx.pb.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string_view>

#include "runtime/core/error.h"

namespace vulcap::onnx {
namespace {

using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;
using ::onnx::TypeProto;

constexpr std::string_view kTraining = "training";
constexpr std::string_view kStrings = "strings";
constexpr std::string_view kOptional = "optional types";

class Judge {
 public:
  explicit Judge(const ::onnx::ModelProto& model) {
    for (const auto& opset : model.opset_import()) {
      if (opset.domain().empty() || opset.domain() == "ai.onnx") opset_ = opset.version();
    }
    graph(model.graph());
    for (const auto& function : model.functions()) {
      for (const NodeProto& item : function.node()) node(item);
    }
    if (model.training_info_size() > 0) exclude(kTraining);
  }

  // The first of them in alphabetical order.
  std::string reason() const { return reasons_.empty() ? std::string() : *reasons_.begin(); }
  const std::set<std::string>& training_switches() const { return training_switches_; }

 private:
  void exclude(std::string_view reason) { reasons_.emplace(reason); }

  void type(const TypeProto& item) {
    if (item.has_optional_type()) return exclude(kOptional);
    if (item.has_map_type()) return exclude("ai.onnx.ml");
    if (item.has_sequence_type()) return type(item.sequence_type().elem_type());
    if (item.tensor_type().elem_type() == TensorProto::STRING) exclude(kStrings);
  }

  void tensor(const TensorProto& item) {
    if (item.data_type() == TensorProto::STRING) exclude(kStrings);
  }

  void graph(const GraphProto& item) {
    for (const auto& info : item.input()) type(info.type());
    for (const auto& info : item.output()) type(info.type());
    for (const auto& info : item.value_info()) type(info.type());
    for (const TensorProto& constant : item.initializer()) {
      tensor(constant);
      note_constant(constant.name(), constant);
    }
    for (const NodeProto& inner : item.node()) node(inner);
  }

  void note_constant(const std::string& name, const TensorProto& value) {
    if (value.data_type() != TensorProto::BOOL) return;
    const bool set = value.has_raw_data() ? value.raw_data().find('\1') != std::string::npos
                                          : value.int32_data_size() > 0 && value.int32_data(0) != 0;
    (set ? true_constants_ : false_constants_).insert(name);
  }

  void node(const NodeProto& item) {
    if (item.domain() == "ai.onnx.ml") exclude("ai.onnx.ml");
    if (item.domain() == "ai.onnx.preview.training") exclude(kTraining);
    if (item.op_type() == "SequenceMap") exclude("sequence map");
    if (item.op_type().starts_with("Optional")) exclude(kOptional);
    if (item.op_type().starts_with("String")) exclude(kStrings);
    for (const AttributeProto& value : item.attribute()) attribute(item, value);
    if (item.domain().empty()) training(item);
  }

  void attribute(const NodeProto& owner, const AttributeProto& item) {
    if (item.has_t()) {
      tensor(item.t());
      if (owner.op_type() == "Constant") note_constant(owner.output(0), item.t());
    }
    if (item.has_g()) graph(item.g());
    if (item.has_tp()) type(item.tp());
    for (const GraphProto& inner : item.graphs()) graph(inner);
    if (owner.op_type() == "Cast" && item.name() == "to" && item.i() == TensorProto::STRING)
      exclude(kStrings);
    if (item.name() == "pool_strings" && item.strings_size() > 0) exclude(kStrings);
  }

  void training(const NodeProto& item) {
    if (item.op_type() == "Dropout" && item.input_size() > 2 && !item.input(2).empty()) {
      if (true_constants_.count(item.input(2))) exclude(kTraining);
      if (!false_constants_.count(item.input(2))) training_switches_.insert(item.input(2));
    }
    if (item.op_type() != "BatchNormalization") return;
    constexpr int64_t kExplicitMode = 14;  // before, the number of outputs told the mode
    const auto named = [](const AttributeProto& a) { return a.name() == "training_mode" && a.i() != 0; };
    const bool asked = std::any_of(item.attribute().begin(), item.attribute().end(), named);
    if (asked || (opset_ < kExplicitMode && item.output_size() > 1)) exclude(kTraining);
  }

  int64_t opset_ = 0;
  std::set<std::string> reasons_;
  std::set<std::string> true_constants_, false_constants_;
  std::set<std::string> training_switches_;
};

}  // namespace

Scope model_scope(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  ::onnx::ModelProto model;
  if (!in || !model.ParseFromIstream(&in) || !model.has_graph())
    throw core::Error(core::ErrorCode::kInvalidModel, path.string() + ": is no ONNX model");
  const Judge judge(model);
  Scope scope{judge.reason(), {}};
  std::set<std::string> constants;
  for (const TensorProto& item : model.graph().initializer()) constants.insert(item.name());
  size_t position = 0;
  for (const auto& input : model.graph().input()) {
    if (constants.count(input.name())) continue;
    if (judge.training_switches().count(input.name())) scope.training_inputs.push_back(position);
    ++position;
  }
  return scope;
}

}  // namespace vulcap::onnx
