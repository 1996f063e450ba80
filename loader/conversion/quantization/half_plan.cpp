#include "loader/conversion/quantization/half_plan.h"

#include <algorithm>
#include <cmath>

#include "loader/conversion/quantization/graph_rewriter.h"
#include "loader/conversion/quantization/output_types.h"

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;
using Names = std::set<std::string>;
using Inputs = std::vector<HalfValue*>;

// Constants of as many numbers are weights; smaller ones may be what positions are multiplied with.
constexpr size_t kTableNumbers = 1024;

constexpr int kActivationAxes = 3;

const Names kConverts = {"Conv",
                         "ConvTranspose",
                         "LayerNormalization",
                         "Attention",
                         "InstanceNormalization",
                         "RMSNormalization",
                         "PRelu",
                         "BatchNormalization",
                         "SimplifiedLayerNormalization",
                         "GroupNormalization"};
const Names kProducts = {"MatMul", "Gemm", "Einsum"};
const Names kMicrosoft = {"Attention",
                          "MultiHeadAttention",
                          "GroupQueryAttention",
                          "DecoderMaskedMultiHeadAttention",
                          "SkipLayerNormalization",
                          "SkipSimplifiedLayerNormalization",
                          "SimplifiedLayerNormalization",
                          "EmbedLayerNormalization",
                          "RotaryEmbedding",
                          "FusedMatMul",
                          "FusedConv",
                          "MatMulNBits",
                          "BiasGelu",
                          "FastGelu",
                          "QuickGelu",
                          "Gelu"};
const Names kFollows = {"Add",
                        "Sub",
                        "Mul",
                        "Div",
                        "Pow",
                        "Min",
                        "Max",
                        "Sum",
                        "Relu",
                        "LeakyRelu",
                        "Elu",
                        "Selu",
                        "Gelu",
                        "Tanh",
                        "Erf",
                        "Sigmoid",
                        "HardSigmoid",
                        "HardSwish",
                        "Mish",
                        "Swish",
                        "Softplus",
                        "Softmax",
                        "Clip",
                        "Neg",
                        "Abs",
                        "Sign",
                        "Floor",
                        "Ceil",
                        "Round",
                        "Where",
                        "Identity",
                        "Transpose",
                        "Reshape",
                        "Flatten",
                        "Squeeze",
                        "Unsqueeze",
                        "Slice",
                        "Split",
                        "Concat",
                        "Expand",
                        "Tile",
                        "Pad",
                        "Gather",
                        "GatherND",
                        "GatherElements",
                        "ScatterND",
                        "ScatterElements",
                        "Trilu",
                        "MaxPool",
                        "AveragePool",
                        "GlobalAveragePool",
                        "GlobalMaxPool",
                        "DepthToSpace",
                        "SpaceToDepth",
                        "Resize",
                        "RotaryEmbedding",
                        "Dropout",
                        "Equal",
                        "Less",
                        "LessOrEqual",
                        "Greater",
                        "GreaterOrEqual",
                        "IsNaN"};
const Names kMaskArithmetic = {"Where", "Mul", "Add", "Sub", "Expand", "Concat", "Tile"};
// Of a statistic and constants another statistic.
const Names kKeepStatistic = {"Add", "Sqrt", "Reciprocal", "Pow", "Div", "Clip", "Max", "Log", "Mul"};

bool is_reduction(const proto::NodeProto& node) {
  return is_standard(node) && node.op_type().starts_with("Reduce");
}

bool is_square(const proto::NodeProto& node) {
  if (node.input_size() != 2) return false;
  return node.op_type() == "Pow" || (node.op_type() == "Mul" && node.input(0) == node.input(1));
}

bool any_leads(const Inputs& inputs) {
  return std::any_of(inputs.begin(), inputs.end(), [](const HalfValue* value) {
    return value != nullptr && value->is_float() && value->leads();
  });
}

bool any_statistic(const Inputs& inputs) {
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const HalfValue* value) { return value != nullptr && value->statistic; });
}

size_t numbers_of(const proto::TensorProto& tensor) {
  size_t count = 1;
  for (const int64_t dim : tensor.dims()) count *= size_t(dim);
  return count;
}

bool is_table(const HalfValue* value) {
  return value != nullptr && value->constant != nullptr && value->is_float() &&
         numbers_of(*value->constant) >= kTableNumbers;
}

bool is_matrix(const HalfValue* value) {
  if (value == nullptr || value->constant == nullptr || !value->is_float()) return false;
  int axes = 0;
  for (const int64_t dim : value->constant->dims()) axes += dim > 1;
  return axes >= 2;
}

bool reads_constants(const Inputs& inputs) {
  return std::all_of(inputs.begin(), inputs.end(), [](const HalfValue* value) {
    return value == nullptr || !value->is_float() || value->constant != nullptr;
  });
}

// Tables on their way, and masks: what to add where a condition holds.
bool moves_constants(const proto::NodeProto& node, const Inputs& inputs) {
  if (!reads_constants(inputs)) return false;
  return node.op_type() == "Where" || std::any_of(inputs.begin(), inputs.end(), is_table);
}

bool converts(const proto::NodeProto& node, const Inputs& inputs) {
  if (!is_standard(node)) return node.domain() == "com.microsoft" && kMicrosoft.count(node.op_type());
  if (kConverts.count(node.op_type())) return true;
  return kProducts.count(node.op_type()) &&
         (any_leads(inputs) || std::any_of(inputs.begin(), inputs.end(), is_matrix));
}

bool follows(const proto::NodeProto& node, const Inputs& inputs, const Names& reduced) {
  if (!is_standard(node) || inputs.empty()) return false;
  const std::string& op = node.op_type();
  if (op == "Gather" && is_table(inputs[0])) return true;
  if (op == "Cast") return integer_attribute(node, "to", 0) == proto::TensorProto::FLOAT && any_leads(inputs);
  if (!kFollows.count(op) || !(any_leads(inputs) || moves_constants(node, inputs))) return false;
  if ((op == "Sub" || op == "Mul" || op == "Div") && any_statistic(inputs)) return false;
  return !(is_square(node) && reduced.count(node.output(0)));
}

// What is known of an output that stays fp32.
void describe_full(const proto::NodeProto& node, const Inputs& inputs, HalfValue& output) {
  if (!is_standard(node)) return;
  const bool constants = std::all_of(inputs.begin(), inputs.end(), [](const HalfValue* value) {
    return value == nullptr || value->statistic || value->constant != nullptr || !value->is_float();
  });
  const bool statistic = any_statistic(inputs);
  output.statistic = is_reduction(node) || (statistic && constants && kKeepStatistic.count(node.op_type()));
  const bool scales = node.op_type() == "Mul" || node.op_type() == "Div";
  output.normal = scales && statistic && !output.statistic;
}

}  // namespace

bool stands_for_infinity(float number) {
  constexpr float kSmallest = 1e9f;
  return std::isfinite(number) && std::fabs(number) >= kSmallest;
}

bool HalfValue::is_float() const { return type == proto::TensorProto::FLOAT; }

HalfValue* HalfGraph::find(const std::string& name) {
  if (name.empty()) return nullptr;
  const auto found = values.find(name);
  if (found != values.end()) return &found->second;
  return outer == nullptr ? nullptr : outer->find(name);
}

HalfPlan::HalfPlan(onnx::EditableModel& model, const Exclusion& exclusion)
    : model_(model), exclusion_(exclusion) {
  proto::GraphProto& graph = *model.proto().mutable_graph();
  plan_graph(graph, nullptr, false);
  for (const auto& output : graph.output())
    if (HalfValue* value = graphs_.at(&graph)->find(output.name()); value != nullptr)
      value->wants_full = true;
}

bool HalfPlan::stays_full(const proto::NodeProto& node, int input) {
  return node.op_type() == "Resize" && input > 0;  // roi and scales
}

bool HalfPlan::reads_shape(const proto::NodeProto& node) {
  return is_standard(node) && (node.op_type() == "Shape" || node.op_type() == "Size");
}

void HalfPlan::plan_graph(proto::GraphProto& graph, HalfGraph* outer, bool frozen) {
  auto& plan = *(graphs_[&graph] = std::make_unique<HalfGraph>());
  plan.outer = outer;
  for (const auto& input : graph.input()) {
    const auto& type = input.type().tensor_type();
    // Images, hidden states and caches; what has fewer axes may count positions.
    const bool normal = outer == nullptr && type.shape().dim_size() >= kActivationAxes;
    plan.values[input.name()] = {.type = type.elem_type(), .normal = normal};
  }
  for (const proto::TensorProto& tensor : graph.initializer())
    plan.values[tensor.name()] = {.type = tensor.data_type(), .constant = &tensor};
  for (const proto::NodeProto& node : graph.node())
    if (is_reduction(node) && node.input_size() > 0) plan.reduced.insert(node.input(0));
  for (proto::NodeProto& node : *graph.mutable_node()) plan_node(node, plan, frozen);
}

void HalfPlan::plan_node(proto::NodeProto& node, HalfGraph& graph, bool frozen) {
  if (node.op_type() == "If") return plan_branches(node, graph, frozen);
  for (const proto::AttributeProto& attribute : node.attribute())
    if (attribute.has_g()) return plan_loop(node, graph);
  Inputs inputs;
  std::vector<int32_t> types;
  for (const std::string& name : node.input()) {
    inputs.push_back(graph.find(name));
    types.push_back(inputs.back() == nullptr ? 0 : inputs.back()->type);
  }
  const bool half = !frozen && decide(node, graph, inputs);
  if (half) half_nodes_.insert(&node);
  for (int i = 0; i < node.input_size() && !reads_shape(node); ++i) {
    if (inputs[size_t(i)] == nullptr || !inputs[size_t(i)]->is_float()) continue;
    const bool reads_half = half && !stays_full(node, i);
    (reads_half ? inputs[size_t(i)]->wants_half : inputs[size_t(i)]->wants_full) = true;
    inputs[size_t(i)]->masks &= reads_half || (!frozen && kMaskArithmetic.count(node.op_type()));
  }
  const std::vector<int32_t> produced = output_types(node, types);
  // The mean and deviation of normalisations are fp32 by definition.
  const bool one_half = node.op_type().ends_with("LayerNormalization");
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty()) continue;
    HalfValue& output = graph.values[node.output(i)] = {.type = produced[size_t(i)]};
    if (!output.is_float()) continue;
    output.half = half && !(one_half && (i == 1 || i == 2));
    if (!output.half) describe_full(node, inputs, output);
  }
}

void HalfPlan::plan_branches(proto::NodeProto& node, HalfGraph& graph, bool frozen) {
  std::vector<proto::GraphProto*> branches;
  for (proto::AttributeProto& attribute : *node.mutable_attribute()) {
    if (!attribute.has_g()) continue;
    branches.push_back(attribute.mutable_g());
    plan_graph(*branches.back(), &graph, frozen);
  }
  for (int i = 0; i < node.output_size(); ++i) {
    HalfValue& output = graph.values[node.output(i)] = {};
    for (proto::GraphProto* branch : branches) {
      if (i >= branch->output_size()) continue;
      const HalfValue* inner = graphs_.at(branch)->find(branch->output(i).name());
      if (inner == nullptr) continue;
      output.type = std::max(output.type, inner->type);
      output.half |= inner->is_float() && inner->half;
    }
    for (proto::GraphProto* branch : branches) {
      HalfGraph& plan = *graphs_.at(branch);
      plan.half_outputs.push_back(output.half);
      HalfValue* inner = i < branch->output_size() ? plan.find(branch->output(i).name()) : nullptr;
      if (inner != nullptr && inner->is_float()) (output.half ? inner->wants_half : inner->wants_full) = true;
    }
  }
}

void HalfPlan::plan_loop(proto::NodeProto& node, HalfGraph& graph) {
  for (const std::string& name : node.input())
    if (HalfValue* value = graph.find(name); value != nullptr) value->wants_full = true;
  const int first = node.op_type() == "Loop" ? 1 : 0;  // a loop's body says first whether it goes on
  for (int i = 0; i < node.output_size(); ++i) graph.values[node.output(i)] = {};
  for (proto::AttributeProto& attribute : *node.mutable_attribute()) {
    if (!attribute.has_g()) continue;
    proto::GraphProto& body = *attribute.mutable_g();
    plan_graph(body, &graph, true);
    for (int i = first; i < body.output_size(); ++i) {
      HalfValue* inner = graphs_.at(&body)->find(body.output(i).name());
      if (inner == nullptr) continue;
      inner->wants_full = true;
      if (i - first < node.output_size()) graph.values[node.output(i - first)].type = inner->type;
    }
  }
}

bool HalfPlan::decide(const proto::NodeProto& node, const HalfGraph& graph, const Inputs& inputs) {
  if (!converts(node, inputs) && !follows(node, inputs, graph.reduced)) return false;
  std::string weight;
  for (const HalfValue* value : inputs)
    if (value != nullptr && value->constant != nullptr && value->is_float()) weight = value->constant->name();
  if (exclusion_.matches(node, weight)) {
    kept_.push_back({node_text(node), "excluded"});
    return false;
  }
  for (const HalfValue* value : inputs) {
    if (value == nullptr || value->constant == nullptr || !exceeds_half(*value->constant)) continue;
    kept_.push_back({node_text(node), value->constant->name() + " exceeds the range of fp16"});
    return false;
  }
  return true;
}

bool HalfPlan::exceeds_half(const proto::TensorProto& constant) {
  if (constant.data_type() != proto::TensorProto::FLOAT) return false;
  const auto [found, is_new] = exceeding_.try_emplace(&constant);
  if (!is_new) return found->second;
  const core::Tensor tensor = model_.tensor(constant);
  const auto numbers = tensor.as<float>();
  return found->second = std::any_of(numbers.begin(), numbers.end(), [](float number) {
           return std::fabs(number) > kLargestHalf && std::isfinite(number) && !stands_for_infinity(number);
         });
}

}  // namespace vulcap::quantization
