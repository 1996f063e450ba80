#include "loader/onnx/export.h"

#include <algorithm>
#include <map>
#include <set>

#include "runtime/core/error.h"

namespace vulcap::onnx {
namespace {

namespace proto = ::onnx;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Value;
using graph::ValueId;
using proto::AttributeProto;

// The format version that an opset came with.
int64_t ir_version_of(int64_t opset) {
  static constexpr std::pair<int64_t, int64_t> kTable[] = {{25, 13}, {24, 12}, {23, 11}, {21, 10}, {19, 9}};
  for (const auto& [first, version] : kTable)
    if (opset >= first) return version;
  return 8;
}

class Exporter {
 public:
  explicit Exporter(EditableModel& model) : model_(model), old_(model.proto().graph()) {
    note_nodes(old_);
    for (const auto* list : {&old_.input(), &old_.output()})
      for (const auto& info : *list) declared_.emplace(info.name(), &info);
  }

  void run(const Graph& graph, const std::vector<std::string>& outputs) {
    proto::GraphProto& to = *model_.proto().mutable_graph();
    to.clear_node();
    to.clear_input();
    to.clear_output();
    to.clear_initializer();
    to.clear_sparse_initializer();
    to.clear_value_info();
    to.clear_quantization_annotation();
    Names names(graph.values.size());
    for (const ValueId in : graph.inputs) used_.insert(names[size_t(in)] = graph.value(in).name);
    used_.insert(outputs.begin(), outputs.end());
    for (const ValueId in : graph.inputs) declare(graph.value(in), names[size_t(in)], *to.add_input());
    for (size_t i = 0; i < outputs.size(); ++i)
      declare(graph.value(graph.outputs[i]), outputs[i], *to.add_output());
    write(graph, outputs, names, to);
  }

  const std::set<std::string>& domains() const { return domains_; }

 private:
  using Names = std::vector<std::string>;  // of a graph's values; "": not named yet

  void note_nodes(const proto::GraphProto& graph) {
    for (const proto::NodeProto& node : graph.node()) {
      if (!node.name().empty()) old_nodes_.emplace(node.name(), &node);
      for (const AttributeProto& attribute : node.attribute())
        if (attribute.has_g()) note_nodes(attribute.g());
    }
  }

  static std::string unique(std::set<std::string>& used, const std::string& wanted, const char* otherwise) {
    const std::string base = wanted.empty() ? otherwise : wanted;
    std::string name = base;
    for (int i = 1; !used.insert(name).second; ++i) name = base + "_" + std::to_string(i);
    return name;
  }

  void declare(const Value& value, const std::string& name, proto::ValueInfoProto& info) const {
    if (const auto known = declared_.find(name); known != declared_.end()) {
      info = *known->second;
      return;
    }
    info.set_name(name);
    auto& type = *info.mutable_type()->mutable_tensor_type();
    type.set_elem_type(int32_t(value.dtype));  // core::DType has ONNX's numbers
    if (!value.shape) return;
    type.mutable_shape();
    for (const core::Dim& dim : *value.shape) {
      auto& to = *type.mutable_shape()->add_dim();
      if (dim.is_constant()) {
        to.set_dim_value(dim.value());
      } else if (const std::string text = dim.text(); text.find('$') == std::string::npos) {
        to.set_dim_param(text);
      }
    }
  }

  // Nodes and constants; `names` holds those of inputs and captures. The graph's outputs get `outputs`.
  void write(const Graph& graph, const std::vector<std::string>& outputs, Names& names,
             proto::GraphProto& to) {
    const graph::Uses uses(graph);
    std::vector<bool> own(outputs.size(), false);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const ValueId out = graph.outputs[i];
      own[i] = uses.producer[size_t(out)] >= 0 && names[size_t(out)].empty();
      if (own[i]) names[size_t(out)] = outputs[i];
    }
    for (const Node& node : graph.nodes) write_node(graph, node, names, to);
    for (size_t i = 0; i < outputs.size(); ++i)
      if (!own[i]) add_identity(name_of(graph, graph.outputs[i], names, to), outputs[i], to);
  }

  void add_identity(const std::string& from, const std::string& name, proto::GraphProto& to) {
    proto::NodeProto& node = *to.add_node();
    node.set_name(unique(node_names_, name, "output"));
    node.set_op_type("Identity");
    node.add_input(from);
    node.add_output(name);
  }

  std::string name_of(const Graph& graph, ValueId id, Names& names, proto::GraphProto& to) {
    if (id == kNoValue) return "";
    std::string& name = names[size_t(id)];
    if (!name.empty()) return name;
    const Value& value = graph.value(id);
    name = unique(used_, value.name, "value");
    if (!value.constant) return name;
    if (value.dtype == core::DType::kString)
      throw core::Error(core::ErrorCode::kInvalidModel,
                        "'" + value.name + "' holds strings, which cannot be written");
    proto::TensorProto& tensor = *to.add_initializer();
    tensor.set_name(name);
    model_.set_tensor(tensor, *value.constant);
    return name;
  }

  // Behind a node's own operands stand the values that its subgraphs capture.
  static size_t own_inputs(const Node& node) {
    size_t count = node.inputs.size();
    for (const auto& [name, attribute] : node.attributes.all()) {
      if (const auto* sub = std::get_if<std::shared_ptr<const Graph>>(&attribute))
        for (const auto& [id, input] : (*sub)->captures) count = std::min(count, input);
    }
    while (count > 0 && node.inputs[count - 1] == kNoValue) --count;
    return count;
  }

  void write_node(const Graph& graph, const Node& node, Names& names, proto::GraphProto& to) {
    std::vector<std::string> inputs;
    for (const ValueId in : node.inputs) inputs.push_back(name_of(graph, in, names, to));
    proto::NodeProto message;
    // Metadata of a node is among the fields that this schema does not know.
    if (const auto known = old_nodes_.find(node.name); known != old_nodes_.end()) message = *known->second;
    message.clear_input();
    message.clear_output();
    message.clear_attribute();
    message.clear_doc_string();
    message.set_op_type(node.op);
    message.set_domain(node.domain);
    message.set_name(unique(node_names_, node.name, node.op.c_str()));
    for (size_t i = 0; i < own_inputs(node); ++i) message.add_input(inputs[i]);
    for (const ValueId out : node.outputs) message.add_output(name_of(graph, out, names, to));
    for (const auto& [name, attribute] : node.attributes.all())
      write_attribute(name, attribute, inputs, *message.add_attribute());
    domains_.insert(node.domain);
    *to.add_node() = std::move(message);
  }

  void write_attribute(const std::string& name, const graph::Attribute& value,
                       const std::vector<std::string>& inputs, AttributeProto& to) {
    to.set_name(name);
    if (const auto* i = std::get_if<int64_t>(&value)) {
      to.set_type(AttributeProto::INT);
      to.set_i(*i);
    } else if (const auto* f = std::get_if<float>(&value)) {
      to.set_type(AttributeProto::FLOAT);
      to.set_f(*f);
    } else if (const auto* s = std::get_if<std::string>(&value)) {
      to.set_type(AttributeProto::STRING);
      to.set_s(*s);
    } else if (const auto* t = std::get_if<core::Tensor>(&value)) {
      to.set_type(AttributeProto::TENSOR);
      model_.set_tensor(*to.mutable_t(), *t);
    } else if (const auto* is = std::get_if<std::vector<int64_t>>(&value)) {
      to.set_type(AttributeProto::INTS);
      for (const int64_t item : *is) to.add_ints(item);
    } else if (const auto* fs = std::get_if<std::vector<float>>(&value)) {
      to.set_type(AttributeProto::FLOATS);
      for (const float item : *fs) to.add_floats(item);
    } else if (const auto* ss = std::get_if<std::vector<std::string>>(&value)) {
      to.set_type(AttributeProto::STRINGS);
      for (const std::string& item : *ss) to.add_strings(item);
    } else {
      to.set_type(AttributeProto::GRAPH);
      write_subgraph(*std::get<std::shared_ptr<const Graph>>(value), name, inputs, *to.mutable_g());
    }
  }

  // `outer`: names of the node's operands, captured values among them.
  void write_subgraph(const Graph& graph, const std::string& name, const std::vector<std::string>& outer,
                      proto::GraphProto& to) {
    to.set_name(name);
    Names names(graph.values.size());
    for (const auto& [id, input] : graph.captures) names[size_t(id)] = outer.at(input);
    for (const ValueId in : graph.inputs) {
      const Value& value = graph.value(in);
      names[size_t(in)] = unique(used_, value.name, "input");
      proto::ValueInfoProto& info = *to.add_input();
      info.set_name(names[size_t(in)]);
      if (!value.is_sequence && value.dtype != core::DType::kUndefined)
        info.mutable_type()->mutable_tensor_type()->set_elem_type(int32_t(value.dtype));
    }
    std::vector<std::string> outputs;
    for (const ValueId out : graph.outputs) {
      outputs.push_back(unique(used_, graph.value(out).name, "output"));
      to.add_output()->set_name(outputs.back());
    }
    write(graph, outputs, names, to);
  }

  EditableModel& model_;
  const proto::GraphProto old_;
  std::map<std::string, const proto::ValueInfoProto*> declared_;
  std::map<std::string, const proto::NodeProto*> old_nodes_;
  std::set<std::string> used_, node_names_, domains_;
};

}  // namespace

void export_graph(Graph graph, const std::vector<std::string>& outputs, const Target& target,
                  EditableModel& model) {
  express(graph, target);
  graph::remove_dead_nodes(graph);
  Exporter exporter(model);
  exporter.run(graph, outputs);
  proto::ModelProto& to = model.proto();
  std::map<std::string, int64_t> versions;
  for (const auto& entry : to.opset_import()) versions.emplace(entry.domain(), entry.version());
  to.clear_opset_import();
  to.clear_functions();
  to.add_opset_import()->set_version(target.opset);
  for (const std::string& domain : exporter.domains()) {
    if (domain.empty()) continue;
    auto& entry = *to.add_opset_import();
    entry.set_domain(domain);
    entry.set_version(versions.count(domain) ? versions.at(domain) : 1);
  }
  to.set_ir_version(std::max(to.ir_version(), ir_version_of(target.opset)));
}

}  // namespace vulcap::onnx
