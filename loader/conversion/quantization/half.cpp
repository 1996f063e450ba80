#include "loader/conversion/quantization/half.h"

#include <utility>

#include "loader/conversion/quantization/half_plan.h"
#include "runtime/core/error.h"

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;
using Type = proto::TensorProto;

constexpr int64_t kClipWithOperands = 11;

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
    const bool keeps_half = value.constant != nullptr ? !value.wants_full : value.half && !is_output;
    found->second = {keeps_half ? name : rewriter_.unique(name + "_fp16"),
                     keeps_half ? rewriter_.unique(name + "_fp32") : name};
    return found->second;
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
      if (!value.is_float() || !value.wants_half) continue;
      const std::string name = names_of(tensor.name(), value).half;
      core::Tensor half = core::to_half(rewriter_.model().tensor(tensor));
      proto::TensorProto& message = value.wants_full ? *graph.add_initializer() : tensor;
      message.set_name(name);
      rewriter_.model().set_tensor(message, std::move(half));
    }
  }

  void write_node(proto::GraphProto& graph, HalfGraph& plan, proto::NodeProto& node) {
    const bool half = plan_.turns(node);
    for (proto::AttributeProto& attribute : *node.mutable_attribute())
      if (attribute.has_g()) write_graph(*attribute.mutable_g());
    for (int i = 0; i < node.input_size(); ++i) {
      const HalfValue* value = plan.find(node.input(i));
      if (value == nullptr || !value->is_float()) continue;
      const Pair& names = names_of(node.input(i), *value);
      node.set_input(i, half && !HalfPlan::stays_full(node, i) ? names.half : names.full);
    }
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
      cast(graph, value.computed ? clipped(graph, names.full) : names.full, names.half, Type::FLOAT16);
    }
  }

  void cast(proto::GraphProto& graph, const std::string& from, const std::string& to, int32_t type) {
    proto::NodeProto& node = add(graph, "Cast", from, to);
    set_attribute(node, "to", int64_t(type));
  }

  // Masks are fp32 numbers far outside of fp16, which a Cast alone would make infinite.
  std::string clipped(proto::GraphProto& graph, const std::string& name) {
    constexpr float kLargest = 65504.0f;
    const std::string clipped = rewriter_.unique(name + "_clipped");
    proto::NodeProto& node = add(graph, "Clip", name, clipped);
    if (rewriter_.opset("") >= kClipWithOperands) {
      node.add_input(bound(graph, -kLargest));
      node.add_input(bound(graph, kLargest));
    } else {
      set_attribute(node, "min", -kLargest);
      set_attribute(node, "max", kLargest);
    }
    return clipped;
  }

  std::string bound(proto::GraphProto& graph, float value) {
    std::string& name = bounds_[{&graph, value}];
    if (!name.empty()) return name;
    name = rewriter_.unique(value < 0 ? "fp16_lowest" : "fp16_largest");
    proto::TensorProto& message = *graph.add_initializer();
    message.set_name(name);
    rewriter_.model().set_tensor(message, core::Tensor::from<float>(core::DType::kF32, {}, {value}));
    return name;
  }

  proto::NodeProto& add(proto::GraphProto& graph, const char* op, const std::string& from,
                        const std::string& to) {
    proto::NodeProto& node = *graph.add_node();
    node.set_op_type(op);
    node.set_name(rewriter_.unique(to + "_" + op));
    node.add_input(from);
    node.add_output(to);
    return node;
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
  std::map<std::pair<const proto::GraphProto*, float>, std::string> bounds_;
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
