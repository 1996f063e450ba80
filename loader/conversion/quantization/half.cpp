#include "loader/conversion/quantization/half.h"

#include <cmath>
#include <utility>

#include "loader/conversion/quantization/half_plan.h"
#include "runtime/core/error.h"

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;
using Type = proto::TensorProto;

class HalfWriter {
 public:
  HalfWriter(GraphRewriter& rewriter, HalfPlan& plan) : rewriter_(rewriter), plan_(plan) {}

  void run() {
    proto::GraphProto& graph = *rewriter_.model().proto().mutable_graph();
    for (const auto& output : graph.output()) outermost_outputs_.insert(output.name());
    outermost_ = &plan_.graph(graph);
    write_graph(graph);
  }

 private:
  // The names of a value in both types.
  struct Pair {
    std::string half, full;
  };

  // Outputs of the model keep their name for fp32.
  const Pair& names_of(const std::string& name, const HalfValue& value) {
    const auto [found, is_new] = names_.try_emplace(&value);
    if (!is_new) return found->second;
    const bool is_output = outermost_->find(name) == &value && outermost_outputs_.count(name);
    const bool half_keeps_name = keeps_half(value) && !is_output;
    found->second = {half_keeps_name ? name : rewriter_.unique(name + "_fp16"),
                     half_keeps_name ? rewriter_.unique(name + "_fp32") : name};
    return found->second;
  }

  // Whether fp16 is the type in which a value is there without a Cast.
  static bool keeps_half(const HalfValue& value) {
    return value.constant != nullptr ? value.wants_half && !value.wants_full : value.half;
  }

  void write_graph(proto::GraphProto& graph) {
    HalfGraph& plan = plan_.graph(graph);
    write_constants(graph, plan);
    google::protobuf::RepeatedPtrField<proto::NodeProto> nodes;
    nodes.Swap(graph.mutable_node());
    for (auto& input : *graph.mutable_input()) {
      const HalfValue& value = plan.values.at(input.name());
      if (value.constant == nullptr) {
        write_casts(graph, input.name(), value);
      } else if (value.is_float() && value.wants_half && !value.wants_full) {
        input.mutable_type()->mutable_tensor_type()->set_elem_type(Type::FLOAT16);
      }
    }
    for (proto::NodeProto& node : nodes) write_node(graph, plan, node);
    if (plan.outer != nullptr) write_branch_outputs(graph, plan);
    for (auto& info : *graph.mutable_value_info()) {
      const auto found = plan.values.find(info.name());
      if (found == plan.values.end() || !found->second.half) continue;
      info.set_name(names_of(info.name(), found->second).half);
      info.mutable_type()->mutable_tensor_type()->set_elem_type(Type::FLOAT16);
    }
  }

  void write_constants(proto::GraphProto& graph, HalfGraph& plan) {
    const int count = graph.initializer_size();
    for (int i = 0; i < count; ++i) {
      proto::TensorProto& tensor = *graph.mutable_initializer(i);
      const HalfValue& value = plan.values.at(tensor.name());
      if (!value.is_float()) continue;
      if (value.wants_full && value.masks) saturate(tensor);
      if (!value.wants_half) continue;
      const std::string name = names_of(tensor.name(), value).half;
      core::Tensor half = core::to_half(rewriter_.model().tensor(tensor));
      proto::TensorProto& message = value.wants_full ? *graph.add_initializer() : tensor;
      message.set_name(name);
      rewriter_.model().set_tensor(message, std::move(half));
    }
  }

  // Numbers that stand for infinity become the largest of fp16, so that what is computed from them is finite
  // there.
  void saturate(proto::TensorProto& message) {
    core::Tensor tensor = rewriter_.model().tensor(message);
    std::vector<float> numbers(tensor.as<float>().begin(), tensor.as<float>().end());
    bool changes = false;
    for (float& number : numbers) {
      if (!stands_for_infinity(number)) continue;
      number = std::copysign(kLargestHalf, number);
      changes = true;
    }
    if (changes)
      rewriter_.model().set_tensor(message,
                                   core::Tensor::from<float>(core::DType::kF32, tensor.shape(), numbers));
  }

  void write_node(proto::GraphProto& graph, HalfGraph& plan, proto::NodeProto& node) {
    const bool half = plan_.turns(node);
    for (proto::AttributeProto& attribute : *node.mutable_attribute())
      if (attribute.has_g()) write_graph(*attribute.mutable_g());
    for (int i = 0; i < node.input_size(); ++i) {
      const HalfValue* value = plan.find(node.input(i));
      if (value == nullptr || !value->is_float()) continue;
      const Pair& names = names_of(node.input(i), *value);
      const bool reads_half =
          HalfPlan::reads_shape(node) ? keeps_half(*value) : half && !HalfPlan::stays_full(node, i);
      node.set_input(i, reads_half ? names.half : names.full);
    }
    if (node.op_type() == "ConstantOfShape")
      for (proto::AttributeProto& value : *node.mutable_attribute())
        if (value.t().data_type() == Type::FLOAT) saturate(*value.mutable_t());
    if (half && node.op_type() == "Cast") set_attribute(node, "to", int64_t(Type::FLOAT16));
    const std::vector<std::string> outputs(node.output().begin(), node.output().end());
    for (int i = 0; i < node.output_size(); ++i)
      if (const HalfValue* value = plan.find(outputs[size_t(i)]); value != nullptr && value->half)
        node.set_output(i, names_of(outputs[size_t(i)], *value).half);
    *graph.add_node() = std::move(node);
    for (const std::string& name : outputs)
      if (const HalfValue* value = plan.find(name); value != nullptr) write_casts(graph, name, *value);
  }

  // Behind what provides a value.
  void write_casts(proto::GraphProto& graph, const std::string& name, const HalfValue& value) {
    if (!value.is_float()) return;
    const Pair names = names_of(name, value);
    if (value.half && value.wants_full) {
      cast(graph, names.half, names.full, Type::FLOAT);
    } else if (!value.half && value.wants_half) {
      cast(graph, names.full, names.half, Type::FLOAT16);
    }
  }

  void cast(proto::GraphProto& graph, const std::string& from, const std::string& to, int32_t type) {
    proto::NodeProto& node = *graph.add_node();
    node.set_op_type("Cast");
    node.set_name(rewriter_.unique(to + "_Cast"));
    node.add_input(from);
    node.add_output(to);
    set_attribute(node, "to", int64_t(type));
  }

  void write_branch_outputs(proto::GraphProto& graph, HalfGraph& plan) {
    for (int i = 0; i < graph.output_size(); ++i) {
      proto::ValueInfoProto& output = *graph.mutable_output(i);
      const HalfValue* value = plan.find(output.name());
      if (value == nullptr || !value->is_float()) continue;
      const bool half = size_t(i) < plan.half_outputs.size() && plan.half_outputs[size_t(i)];
      const Pair& names = names_of(output.name(), *value);
      output.set_name(half ? names.half : names.full);
      if (half) output.mutable_type()->mutable_tensor_type()->set_elem_type(Type::FLOAT16);
    }
  }

  GraphRewriter& rewriter_;
  HalfPlan& plan_;
  HalfGraph* outermost_ = nullptr;
  std::set<std::string> outermost_outputs_;
  std::map<const HalfValue*, Pair> names_;
};

}  // namespace

Changes turn_to_half(GraphRewriter& rewriter, const std::vector<std::string>& exclude) {
  if (rewriter.model().proto().functions_size() > 0)
    throw core::Error(
        core::ErrorCode::kUsage,
        "has functions of its own, which fp16 does not reach; vulcap optimize writes it without");
  rewriter.lift_constants(0);
  const Exclusion exclusion(exclude);
  HalfPlan plan(rewriter.model(), exclusion);
  Changes changes{plan.nodes(), plan.kept(), exclusion.unmatched()};
  if (changes.nodes > 0) HalfWriter(rewriter, plan).run();
  return changes;
}

}  // namespace vulcap::quantization
