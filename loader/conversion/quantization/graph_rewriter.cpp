#include "loader/conversion/quantization/graph_rewriter.h"

#include <utility>

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;

constexpr int64_t kFreeInitializers = 4;

template <typename Visit>
void for_each_subgraph(proto::NodeProto& node, const Visit& visit) {
  for (proto::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.has_g()) visit(*attribute.mutable_g());
    for (proto::GraphProto& inner : *attribute.mutable_graphs()) visit(inner);
  }
}

bool swaps_two_axes(const proto::NodeProto& node) {
  const proto::AttributeProto* perm = find_attribute(node, "perm");
  return perm != nullptr && perm->ints_size() == 2 && perm->ints(0) == 1 && perm->ints(1) == 0;
}

bool is_alias(const proto::NodeProto& node) {
  if (!is_standard(node) || node.input_size() != 1 || node.output_size() != 1) return false;
  return node.op_type() == "Identity" || (node.op_type() == "Transpose" && swaps_two_axes(node));
}

proto::AttributeProto& fresh_attribute(proto::NodeProto& node, const std::string& name) {
  for (proto::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.name() != name) continue;
    attribute.Clear();
    attribute.set_name(name);
    return attribute;
  }
  proto::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  return attribute;
}

void collect_names(proto::GraphProto& graph, std::set<std::string>& names) {
  for (const auto& value : graph.input()) names.insert(value.name());
  for (const auto& tensor : graph.initializer()) names.insert(tensor.name());
  for (proto::NodeProto& node : *graph.mutable_node()) {
    names.insert(node.name());
    names.insert(node.output().begin(), node.output().end());
    for_each_subgraph(node, [&](proto::GraphProto& inner) { collect_names(inner, names); });
  }
}

// The names that nodes of a graph and of those in it read, and its outputs.
void collect_read(proto::GraphProto& graph, std::set<std::string>& names) {
  for (const auto& value : graph.output()) names.insert(value.name());
  for (proto::NodeProto& node : *graph.mutable_node()) {
    names.insert(node.input().begin(), node.input().end());
    for_each_subgraph(node, [&](proto::GraphProto& inner) { collect_read(inner, names); });
  }
}

template <typename Items, typename Unwanted>
void erase_if(Items& items, const Unwanted& unwanted) {
  int kept = 0;
  for (int i = 0; i < items.size(); ++i) {
    if (unwanted(items.Get(i))) continue;
    if (kept != i) items.SwapElements(kept, i);
    ++kept;
  }
  items.DeleteSubrange(kept, items.size() - kept);
}

bool remove_unused_nodes(proto::GraphProto& graph) {
  std::set<std::string> read;
  collect_read(graph, read);
  const int before = graph.node_size();
  erase_if(*graph.mutable_node(),
           [&](const proto::NodeProto& node) { return is_alias(node) && !read.count(node.output(0)); });
  bool removed = graph.node_size() != before;
  for (proto::NodeProto& node : *graph.mutable_node())
    for_each_subgraph(node, [&](proto::GraphProto& inner) { removed |= remove_unused_nodes(inner); });
  return removed;
}

void remove_unused_constants(proto::GraphProto& graph) {
  std::set<std::string> read, gone;
  collect_read(graph, read);
  erase_if(*graph.mutable_initializer(), [&](const proto::TensorProto& tensor) {
    return !read.count(tensor.name()) && gone.insert(tensor.name()).second;
  });
  const auto is_gone = [&](const proto::ValueInfoProto& value) { return gone.count(value.name()) > 0; };
  erase_if(*graph.mutable_input(), is_gone);
  erase_if(*graph.mutable_value_info(), is_gone);
  for (proto::NodeProto& node : *graph.mutable_node()) for_each_subgraph(node, remove_unused_constants);
}

}  // namespace

Scope::Scope(proto::GraphProto& graph, Scope* outer) : graph_(graph), outer_(outer) {
  for (const auto& value : graph.input()) computed_.insert(value.name());
  for (const auto& value : graph.output()) outputs_.insert(value.name());
  for (proto::TensorProto& tensor : *graph.mutable_initializer()) {
    constants_[tensor.name()] = &tensor;
    computed_.erase(tensor.name());
  }
  for (const proto::NodeProto& node : graph.node()) {
    if (is_alias(node)) {
      aliases_[node.output(0)] = {node.input(0), node.op_type() == "Transpose"};
    } else {
      computed_.insert(node.output().begin(), node.output().end());
    }
  }
}

std::optional<Scope::Constant> Scope::constant(const std::string& name) {
  if (const auto found = constants_.find(name); found != constants_.end())
    return Constant{this, found->second};
  if (const auto found = aliases_.find(name); found != aliases_.end()) {
    std::optional<Constant> source = constant(found->second.source);
    if (source) source->transposed = source->transposed != found->second.transposed;
    return source;
  }
  if (outer_ == nullptr || computed_.count(name)) return std::nullopt;
  return outer_->constant(name);
}

GraphRewriter::GraphRewriter(onnx::EditableModel& model) : model_(model) {
  collect_names(*model.proto().mutable_graph(), names_);
  // Before that every initializer had to be an input too.
  if (model.proto().ir_version() < kFreeInitializers) model.proto().set_ir_version(kFreeInitializers);
}

void GraphRewriter::walk(proto::GraphProto& graph, Scope* outer,
                         const std::function<void(Scope&, proto::NodeProto&)>& visit) {
  Scope scope(graph, outer);
  for (proto::NodeProto& node : *graph.mutable_node()) {
    visit(scope, node);
    for_each_subgraph(node, [&](proto::GraphProto& inner) { walk(inner, &scope, visit); });
  }
}

void GraphRewriter::each_node(const std::function<void(Scope&, proto::NodeProto&)>& visit) {
  walk(*model_.proto().mutable_graph(), nullptr, visit);
}

void GraphRewriter::rewrite_graph(proto::GraphProto& graph, Scope* outer,
                                  const std::function<bool(Scope&, proto::NodeProto&)>& replace) {
  Scope scope(graph, outer);
  google::protobuf::RepeatedPtrField<proto::NodeProto> nodes;
  nodes.Swap(graph.mutable_node());
  for (proto::NodeProto& node : nodes) {
    if (replace(scope, node)) continue;
    for_each_subgraph(node, [&](proto::GraphProto& inner) { rewrite_graph(inner, &scope, replace); });
    *graph.add_node() = std::move(node);
  }
}

void GraphRewriter::rewrite(const std::function<bool(Scope&, proto::NodeProto&)>& replace) {
  rewrite_graph(*model_.proto().mutable_graph(), nullptr, replace);
}

proto::NodeProto& GraphRewriter::emit(Scope& scope, const std::string& op, const std::string& name,
                                      const std::vector<std::string>& inputs,
                                      const std::vector<std::string>& outputs) {
  proto::NodeProto& node = *scope.graph().add_node();
  node.set_op_type(op);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  for (const std::string& output : outputs) node.add_output(output);
  return node;
}

std::string GraphRewriter::unique(const std::string& base) {
  std::string name = base;
  for (int i = 1; !names_.insert(name).second; ++i) name = base + "_" + std::to_string(i);
  return name;
}

std::string GraphRewriter::add_constant(Scope& scope, const std::string& name, core::Tensor tensor) {
  proto::TensorProto& message = *scope.graph().add_initializer();
  message.set_name(unique(name));
  model_.set_tensor(message, std::move(tensor));
  scope.constants_[message.name()] = &message;
  return message.name();
}

bool GraphRewriter::lift(Scope& scope, proto::NodeProto& node, int rank) {
  const bool constant = is_standard(node) && node.op_type() == "Constant" && node.attribute_size() == 1;
  if (!constant || node.output_size() != 1 || scope.is_output(node.output(0))) return false;
  const proto::AttributeProto& value = node.attribute(0);
  proto::TensorProto tensor;
  if (value.has_t()) {
    const int32_t type = value.t().data_type();
    if (type != proto::TensorProto::FLOAT && type != proto::TensorProto::FLOAT16) return false;
    tensor = value.t();
  } else if (value.name() == "value_float") {
    model_.set_tensor(tensor, core::Tensor::from<float>(core::DType::kF32, {}, {value.f()}));
  } else if (value.name() == "value_floats") {
    const std::vector<float> values(value.floats().begin(), value.floats().end());
    model_.set_tensor(tensor, core::Tensor::from<float>(core::DType::kF32, {value.floats_size()}, values));
  }
  if (tensor.data_type() == 0 || tensor.dims_size() < rank) return false;
  tensor.set_name(node.output(0));
  *scope.graph().add_initializer() = std::move(tensor);
  return true;
}

void GraphRewriter::lift_constants(int rank) {
  rewrite([&](Scope& scope, proto::NodeProto& node) { return lift(scope, node, rank); });
}

void GraphRewriter::remove_unused() {
  proto::GraphProto& graph = *model_.proto().mutable_graph();
  while (remove_unused_nodes(graph)) {
  }
  remove_unused_constants(graph);
}

int64_t GraphRewriter::opset(const std::string& domain) const {
  for (const auto& opset : model_.proto().opset_import())
    if (opset.domain() == domain || (domain.empty() && opset.domain() == "ai.onnx")) return opset.version();
  return 0;
}

void GraphRewriter::import_domain(const std::string& domain, int64_t version) {
  if (opset(domain) != 0) return;
  auto& opset = *model_.proto().add_opset_import();
  opset.set_domain(domain);
  opset.set_version(version);
}

const proto::AttributeProto* find_attribute(const proto::NodeProto& node, const std::string& name) {
  for (const proto::AttributeProto& attribute : node.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

int64_t integer_attribute(const proto::NodeProto& node, const std::string& name, int64_t otherwise) {
  const proto::AttributeProto* attribute = find_attribute(node, name);
  return attribute != nullptr ? attribute->i() : otherwise;
}

float real_attribute(const proto::NodeProto& node, const std::string& name, float otherwise) {
  const proto::AttributeProto* attribute = find_attribute(node, name);
  return attribute != nullptr ? attribute->f() : otherwise;
}

void set_attribute(proto::NodeProto& node, const std::string& name, int64_t value) {
  proto::AttributeProto& attribute = fresh_attribute(node, name);
  attribute.set_type(proto::AttributeProto::INT);
  attribute.set_i(value);
}

void set_attribute(proto::NodeProto& node, const std::string& name, const std::vector<int64_t>& values) {
  proto::AttributeProto& attribute = fresh_attribute(node, name);
  attribute.set_type(proto::AttributeProto::INTS);
  for (const int64_t value : values) attribute.add_ints(value);
}

std::string node_text(const proto::NodeProto& node) {
  const std::string name = !node.name().empty() || node.output_size() == 0 ? node.name() : node.output(0);
  return "node " + name + " (" + node.op_type() + ")";
}

bool is_standard(const proto::NodeProto& node) { return node.domain().empty() || node.domain() == "ai.onnx"; }

}  // namespace vulcap::quantization
