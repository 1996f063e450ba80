#include "loader/conversion/graph_names.h"

#include <map>
#include <utility>

#include "loader/onnx/check_graph.h"
#include "loader/onnx/model.h"
#include "loader/onnx/wire.h"
#include "runtime/core/dtype.h"

namespace vulcap::conversion {
namespace {

namespace proto = ::onnx;
using onnx::quote;

constexpr int kDeepest = 16;                   // graphs in attributes of nodes in graphs
constexpr int64_t kInitialisersAreInputs = 3;  // IR version

std::string node_text(const proto::NodeProto& node, int index) {
  onnx::NodeDef def;
  def.name = node.name();
  def.op_type = node.op_type();
  return onnx::node_text(def, size_t(index));
}

std::string type_problem(const proto::ValueInfoProto& value) {
  if (!value.has_type() || value.type().value_case() == proto::TypeProto::VALUE_NOT_SET) return "has no type";
  if (!value.type().has_tensor_type()) return "";
  const int type = value.type().tensor_type().elem_type();
  if (type == 0) return "has no element type";
  return core::dtype_name(core::DType(type)) == core::dtype_name(core::DType::kUndefined)
             ? "has the unknown element type " + std::to_string(type)
             : "";
}

// The names that a graph provides so far, behind those of the graphs around it.
struct Scope {
  const Scope* outer = nullptr;
  std::set<std::string> names;

  bool knows(const std::string& name) const {
    return names.count(name) > 0 || (outer != nullptr && outer->knows(name));
  }
};

class NamesChecker {
 public:
  explicit NamesChecker(const proto::ModelProto& model) : model_(model) {
    for (const proto::FunctionProto& function : model.functions())
      functions_.insert({domain_of(function.domain()), function.name()});
  }

  NamesReport run() {
    opsets_ = opsets_of(model_.opset_import());
    check_graph(model_.graph(), nullptr, "");
    for (const proto::FunctionProto& function : model_.functions()) check_function(function);
    count_unread();
    warn_of_order();
    return std::move(report_);
  }

 private:
  using Opsets = std::set<std::string>;

  static std::string domain_of(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

  template <typename Imports>
  static Opsets opsets_of(const Imports& imports) {
    Opsets opsets;
    for (const proto::OperatorSetIdProto& opset : imports) opsets.insert(domain_of(opset.domain()));
    return opsets;
  }

  void error(const std::string& text) { report_.errors.push_back(text); }

  void provide(Scope& scope, const std::string& name, const std::string& what) {
    if (scope.outer != nullptr && scope.outer->knows(name))
      return error(what + " " + quote(name) + ": a graph around this one has a value of that name");
    if (!scope.names.insert(name).second)
      error(what + " " + quote(name) + ": another value of the graph has that name");
  }

  void check_graph(const proto::GraphProto& graph, const Scope* outer, const std::string& where) {
    if (depth_ == kDeepest) return error(where + "graphs nest deeper than " + std::to_string(kDeepest));
    ++depth_;
    Scope scope{outer, {}};
    const bool outermost = outer == nullptr;
    for (const proto::ValueInfoProto& input : graph.input()) {
      provide(scope, input.name(), where + "input");
      const std::string problem = type_problem(input);
      if (outermost && !problem.empty()) error("input " + quote(input.name()) + " " + problem);
    }
    add_initialisers(graph, scope, where);
    check_nodes(graph.node(), scope, where);
    if (outermost && graph.output().empty()) error("the graph has no outputs");
    for (const proto::ValueInfoProto& output : graph.output()) {
      report_.read.insert(output.name());
      if (!scope.knows(output.name()))
        error(where + "output " + quote(output.name()) + " is not produced by any node");
      const std::string problem = type_problem(output);
      if (outermost && !problem.empty()) error("output " + quote(output.name()) + " " + problem);
    }
    --depth_;
  }

  void add_initialisers(const proto::GraphProto& graph, Scope& scope, const std::string& where) {
    const std::set<std::string> inputs = scope.names;
    std::set<std::string> seen;
    for (const proto::TensorProto& tensor : graph.initializer()) {
      if (tensor.name().empty()) error(where + "an initialiser has no name");
      if (!seen.insert(tensor.name()).second)
        error(where + "initialiser " + quote(tensor.name()) + " is given twice");
      if (!inputs.count(tensor.name())) {
        if (model_.ir_version() > 0 && model_.ir_version() <= kInitialisersAreInputs)
          error(where + "initialiser " + quote(tensor.name()) + " is no input, which IR version 3 asks for");
        if (!scope.names.count(tensor.name())) provide(scope, tensor.name(), where + "initialiser");
      }
    }
  }

  template <typename Nodes>
  void check_nodes(const Nodes& nodes, Scope& scope, const std::string& where) {
    std::map<std::string, int> producer;
    for (int i = 0; i < nodes.size(); ++i)
      for (const std::string& name : nodes[i].output()) producer.emplace(name, i);
    for (int i = 0; i < nodes.size(); ++i) {
      const proto::NodeProto& node = nodes[i];
      ++report_.nodes;
      const std::string text = where + node_text(node, i);
      if (node.op_type().empty()) error(text + " has no operator");
      check_domain(node, text);
      for (const std::string& name : node.input()) check_read(name, scope, producer, text);
      check_attributes(node, scope, text);
      bool any = node.output().empty();
      for (const std::string& name : node.output()) {
        if (name.empty()) continue;
        any = true;
        provide(scope, name, text + ": output");
        written_.emplace(name, text);
      }
      if (!any) error(text + " names none of its outputs");
    }
  }

  void check_read(const std::string& name, const Scope& scope, const std::map<std::string, int>& producer,
                  const std::string& text) {
    if (name.empty()) return;
    report_.read.insert(name);
    if (scope.knows(name)) return;
    const auto later = producer.find(name);
    if (later == producer.end()) {
      error(text + " reads " + quote(name) + ", which no node, input or initialiser provides");
    } else if (out_of_order_++ == 0) {
      first_out_of_order_ = text + " reads " + quote(name) + " of node " + std::to_string(later->second);
    }
  }

  void check_domain(const proto::NodeProto& node, const std::string& text) {
    const std::string domain = domain_of(node.domain());
    if (opsets_.count(domain) || functions_.count({domain, node.op_type()})) return;
    if (reported_domains_.insert(domain).second)
      error(text + ": the model states no opset of " + (domain.empty() ? "ai.onnx" : quote(domain)));
  }

  void check_attributes(const proto::NodeProto& node, const Scope& scope, const std::string& text) {
    std::set<std::string> names;
    for (const proto::AttributeProto& attribute : node.attribute()) {
      const std::string what = text + ": attribute " + quote(attribute.name());
      if (attribute.name().empty()) error(text + " has an attribute without a name");
      if (!names.insert(attribute.name()).second) error(what + " is given twice");
      if (!attribute.ref_attr_name().empty()) {
        if (!inside_function_) error(what + " refers to an attribute of a function, outside of any");
        continue;
      }
      if (attribute.type() == proto::AttributeProto::UNDEFINED) error(what + " has no type");
      if (attribute.type() == proto::AttributeProto::TENSOR && !attribute.has_t())
        error(what + " holds no tensor");
      if (attribute.type() == proto::AttributeProto::GRAPH && !attribute.has_g())
        error(what + " holds no graph");
      const std::string inside = "in " + attribute.name() + " of " + text + ": ";
      if (attribute.has_g()) check_graph(attribute.g(), &scope, inside);
      for (const proto::GraphProto& graph : attribute.graphs()) check_graph(graph, &scope, inside);
    }
  }

  void check_function(const proto::FunctionProto& function) {
    const std::string where = "in function " + quote(function.name()) + ": ";
    Scope scope;
    for (const std::string& name : function.input()) provide(scope, name, where + "input");
    opsets_ = opsets_of(function.opset_import());
    inside_function_ = true;
    check_nodes(function.node(), scope, where);
    inside_function_ = false;
    for (const std::string& name : function.output()) {
      report_.read.insert(name);
      if (!scope.knows(name)) error(where + "output " + quote(name) + " is not produced by any node");
    }
  }

  void count_unread() {
    size_t count = 0;
    std::string first;
    std::map<std::string, bool> useful;  // by node: whether one of its outputs is read
    for (const auto& [name, node] : written_) useful[node] |= report_.read.count(name) > 0;
    for (const auto& [node, is_useful] : useful) {
      if (!is_useful && count++ == 0) first = node;
    }
    if (count > 0)
      report_.warnings.push_back(std::to_string(count) + " nodes compute what nothing reads, among them " +
                                 first);
  }

  // Engines sort the nodes; the specification and its checker want them sorted.
  void warn_of_order() {
    if (out_of_order_ == 0) return;
    report_.warnings.push_back("nodes do not stand in the order of execution, " +
                               std::to_string(out_of_order_) + " times; first " + first_out_of_order_ +
                               "; `vulcap optimize --level 0` sorts them");
  }

  const proto::ModelProto& model_;
  std::set<std::pair<std::string, std::string>> functions_;
  Opsets opsets_;
  std::set<std::string> reported_domains_;
  std::map<std::string, std::string> written_;  // value -> the node that produces it
  bool inside_function_ = false;
  int depth_ = 0;
  size_t out_of_order_ = 0;
  std::string first_out_of_order_;
  NamesReport report_;
};

}  // namespace

NamesReport check_names(const proto::ModelProto& model) { return NamesChecker(model).run(); }

}  // namespace vulcap::conversion
