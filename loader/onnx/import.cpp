#include "loader/onnx/import.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "loader/onnx/modernise.h"
#include "runtime/core/error.h"
#include "runtime/ops/op_registry.h"
#include "runtime/passes/specialise.h"

namespace vulcap::onnx {
namespace {

using core::DType;
using core::Error;
using core::ErrorCode;
using core::Tensor;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Value;
using graph::ValueId;

// Functions may call functions; a chain longer than this is a cycle.
constexpr int kMaxFunctionDepth = 32;

std::string normal_domain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

struct Missing {
  std::string opset;
  std::string dtype;
  std::string first_node;
  int count = 0;
};

// Errors shared by all graphs of a file.
struct Report {
  std::map<std::string, Missing> operators;
};

class GraphImporter {
 public:
  // Names that the enclosing graph resolves, those of a function's body among them.
  struct Outer {
    const GraphImporter* importer = nullptr;
    std::function<std::string(const std::string&)> resolve;
    std::map<std::string, int64_t> opsets;
  };

  GraphImporter(const ModelDef& model, Report& report) : model_(model), report_(report) {}
  GraphImporter(const ModelDef& model, Report& report, Outer outer)
      : model_(model), report_(report), outer_(std::move(outer)) {}

  Graph run(const GraphDef& def) {
    for (const Initializer& item : def.initializers) define_constant(item.name, item.tensor);
    for (const ValueInfo& info : def.inputs) graph_.inputs.push_back(define(info.name, declared(info)));
    const auto& opsets = outer_.importer != nullptr ? outer_.opsets : model_.opsets;
    for (const NodeDef& node : def.nodes) add(node, opsets, {}, "", 0);
    for (const ValueInfo& info : def.outputs) {
      const ValueId id = read(info.name);
      graph_.outputs.push_back(id);
      graph::Value& value = graph_.value(id);
      if (!value.shape) value.shape = declared(info).shape;
      if (value.dtype == DType::kUndefined) value.dtype = info.dtype;
    }
    return std::move(graph_);
  }

  // Names of enclosing graphs that nodes here read, in the order of Graph::captures.
  const std::vector<std::string>& captured() const { return captured_; }

 private:
  using Scope = std::map<std::string, std::string>;  // names inside a function -> names of the graph

  static Value declared(const ValueInfo& info) {
    Value value;
    value.dtype = info.dtype;
    value.is_sequence = info.is_sequence;
    if (!info.has_shape) return value;
    value.shape.emplace();
    for (size_t i = 0; i < info.shape.size(); ++i) {
      if (const auto* number = std::get_if<int64_t>(&info.shape[i])) {
        value.shape->emplace_back(*number);
      } else {
        value.shape->push_back(symbol_dim(std::get<std::string>(info.shape[i]), info.name, i));
      }
    }
    return value;
  }

  // Exporters also write expressions ("past + 1"); what is neither is a symbol of its own.
  static core::Dim symbol_dim(const std::string& text, const std::string& owner, size_t axis) {
    if (text.empty()) return core::Dim::symbol(owner + ".dim" + std::to_string(axis));
    try {
      return core::Dim::parse(text);
    } catch (const Error&) {
      return core::Dim::symbol(text);
    }
  }

  ValueId define(const std::string& name, Value value) {
    value.name = name;
    const ValueId id = graph_.add_value(std::move(value));
    ids_[name] = id;
    return id;
  }

  ValueId define_constant(const std::string& name, const Tensor& tensor) {
    const ValueId id = graph_.add_constant(name, tensor);
    ids_[name] = id;
    return id;
  }

  bool knows(const std::string& name) const {
    return ids_.count(name) || (outer_.importer != nullptr && outer_.importer->knows(outer_.resolve(name)));
  }

  // A value of this graph, or one captured from an enclosing graph.
  ValueId read(const std::string& name) {
    if (name.empty()) return kNoValue;
    if (const auto found = ids_.find(name); found != ids_.end()) return found->second;
    if (!knows(name)) {
      throw Error(ErrorCode::kInvalidModel, "value '" + name + "' is read but never produced");
    }
    const ValueId id = define(name, {});
    graph_.captures.emplace_back(id, captured_.size());
    captured_.push_back(outer_.resolve(name));
    return id;
  }

  static std::string resolve(const Scope& scope, const std::string& prefix, const std::string& name) {
    if (prefix.empty() || name.empty()) return name;
    const auto found = scope.find(name);
    return found != scope.end() ? found->second : prefix + name;
  }

  void add(const NodeDef& def, const std::map<std::string, int64_t>& opsets, const Scope& scope,
           const std::string& prefix, int depth) {
    for (const Function& function : model_.functions) {
      if (function.name == def.op_type && normal_domain(function.domain) == normal_domain(def.domain) &&
          function.overload == def.overload) {
        return inline_function(function, def, scope, prefix, depth);
      }
    }
    const std::string domain = normal_domain(def.domain);
    const auto opset = opsets.find(domain.empty() ? "" : domain);
    const int64_t version = opset == opsets.end() ? 1 : opset->second;
    if (def.op_type == "Constant" && domain.empty()) return add_constant_node(def, scope, prefix);
    Node node;
    node.op = def.op_type;
    node.domain = domain;
    node.name = def.name.empty() && !def.outputs.empty() ? def.outputs[0] : def.name;
    for (const std::string& in : def.inputs) node.inputs.push_back(read(resolve(scope, prefix, in)));
    const auto resolve_here = [&](const std::string& inner) { return resolve(scope, prefix, inner); };
    for (const Attribute& attribute : def.attributes)
      set_attribute(node, attribute, {this, resolve_here, opsets});
    modernise(node, version,
              [&](Tensor tensor) { return graph_.add_constant(node.name + "/operand", std::move(tensor)); });
    if (domain.empty() && version < 7) align_operand(node);
    const size_t outputs = std::min(def.outputs.size(), node.is("Identity") ? size_t(1) : def.outputs.size());
    node.outputs.clear();
    for (size_t i = 0; i < outputs; ++i) {
      const std::string name = resolve(scope, prefix, def.outputs[i]);
      node.outputs.push_back(name.empty() ? kNoValue : define(name, {}));
    }
    require_support(node, version, def.inputs.empty() ? "" : resolve(scope, prefix, def.inputs[0]));
    graph_.nodes.push_back(std::move(node));
  }

  // Before opset 7 the second operand of a pair began at an axis of the first, a slope at its channels.
  void align_operand(Node& node) {
    const bool pair = node.attributes.has("broadcast") && node.attributes.has("axis");
    if (!pair && !node.is("PRelu")) return;
    Node align{"AlignAxis", "vulcap", node.name + "/align", {node.inputs.at(0), node.inputs.at(1)}, {}, {}};
    align.attributes.set("axis", node.attributes.integer("axis", 1));
    Value aligned;
    aligned.name = node.name + "/aligned";
    node.inputs[1] = graph_.add_value(std::move(aligned));
    align.outputs = {node.inputs[1]};
    graph_.nodes.push_back(std::move(align));
  }

  void require_support(const Node& node, int64_t version, const std::string& first_input) {
    if (passes::is_resolved_by_specialise(node) || ops::op_registry().find(node.domain, node.op) != nullptr)
      return;
    Missing& missing = report_.operators[(node.domain.empty() ? "ai.onnx" : node.domain) + "::" + node.op];
    if (missing.count++ == 0) missing = {std::to_string(version), dtype_of(first_input), node.name, 1};
  }

  // What the file says of a value's dtype, as far as it says anything.
  std::string dtype_of(const std::string& name) const {
    const auto known = ids_.find(name);
    if (known != ids_.end() && graph_.value(known->second).dtype != DType::kUndefined) {
      return std::string(core::dtype_name(graph_.value(known->second).dtype));
    }
    const auto& infos = model_.graph.value_infos;
    const auto info =
        std::find_if(infos.begin(), infos.end(), [&](const ValueInfo& item) { return item.name == name; });
    return info == infos.end() ? "dtype not stated" : std::string(core::dtype_name(info->dtype));
  }

  void set_attribute(Node& node, const Attribute& attribute, const Outer& here) {
    std::visit(
        [&](const auto& value) {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, std::shared_ptr<GraphDef>>) {
            set_subgraph(node, attribute.name, *value, here);
          } else if constexpr (!std::is_same_v<T, std::monostate>) {
            node.attributes.set(attribute.name, value);
          }
        },
        attribute.value);
  }

  // Captured values become further inputs of the node; the subgraph's captures name those inputs.
  void set_subgraph(Node& node, const std::string& name, const GraphDef& def, const Outer& here) {
    GraphImporter importer(model_, report_, here);
    Graph sub = importer.run(def);
    for (auto& [id, input] : sub.captures) {
      node.inputs.push_back(read(importer.captured()[input]));
      input = node.inputs.size() - 1;
    }
    node.attributes.set(name, std::make_shared<const Graph>(std::move(sub)));
  }

  void add_constant_node(const NodeDef& def, const Scope& scope, const std::string& prefix) {
    if (def.outputs.empty() || def.attributes.empty())
      throw Error(ErrorCode::kInvalidModel, "node '" + def.name + "' (Constant) has no value");
    const AttributeValue& value = def.attributes[0].value;
    Tensor tensor;
    if (const auto* t = std::get_if<Tensor>(&value)) {
      tensor = *t;
    } else if (const auto* i = std::get_if<int64_t>(&value)) {
      tensor = Tensor::from<int64_t>(DType::kI64, {}, {*i});
    } else if (const auto* is = std::get_if<std::vector<int64_t>>(&value)) {
      tensor = Tensor::from<int64_t>(DType::kI64, {int64_t(is->size())}, *is);
    } else if (const auto* f = std::get_if<float>(&value)) {
      tensor = Tensor::from<float>(DType::kF32, {}, {*f});
    } else if (const auto* fs = std::get_if<std::vector<float>>(&value)) {
      tensor = Tensor::from<float>(DType::kF32, {int64_t(fs->size())}, *fs);
    } else {
      throw Error(ErrorCode::kInvalidModel, "node '" + def.name + "' (Constant): attribute '" +
                                                def.attributes[0].name + "' is not supported");
    }
    define_constant(resolve(scope, prefix, def.outputs[0]), tensor);
  }

  // A call is replaced by the function's nodes; inner names get a prefix that no file name has.
  void inline_function(const Function& function, const NodeDef& call, const Scope& scope,
                       const std::string& prefix, int depth) {
    if (depth >= kMaxFunctionDepth)
      throw Error(ErrorCode::kInvalidModel, "function '" + function.name + "' calls itself");
    const std::string inner = prefix + function.name + "#" + std::to_string(graph_.values.size()) + "/";
    Scope names;
    for (size_t i = 0; i < function.inputs.size(); ++i) {
      names[function.inputs[i]] = i < call.inputs.size() ? resolve(scope, prefix, call.inputs[i]) : "";
    }
    for (size_t i = 0; i < function.outputs.size() && i < call.outputs.size(); ++i) {
      names[function.outputs[i]] = resolve(scope, prefix, call.outputs[i]);
    }
    for (NodeDef node : function.nodes) {
      std::erase_if(node.attributes,
                    [&](Attribute& attribute) { return !bind_attribute(attribute, function, call); });
      node.name = inner + node.name;
      add(node, function.opsets, names, inner, depth + 1);
    }
  }

  // Replaces a reference to the function's attribute by the call's value or the default; false when there is
  // neither.
  static bool bind_attribute(Attribute& attribute, const Function& function, const NodeDef& call) {
    if (attribute.ref_attr_name.empty()) return true;
    for (const auto* list : {&call.attributes, &function.defaults}) {
      for (const Attribute& given : *list) {
        if (given.name != attribute.ref_attr_name) continue;
        attribute.value = given.value;
        return true;
      }
    }
    return false;
  }

  const ModelDef& model_;
  Report& report_;
  Outer outer_;
  Graph graph_;
  std::map<std::string, ValueId> ids_;
  std::vector<std::string> captured_;
};

// Whether earlier opsets mean by every node what the oldest one does.
bool unchanged_since_opset_1(const GraphDef& graph) {
  constexpr std::string_view kNames[] = {"Constant", "Gather",   "Identity", "MatMul",   "Not",
                                         "Shape",    "Softplus", "Softsign", "Transpose"};
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [&](const NodeDef& node) {
    return std::find(std::begin(kNames), std::end(kNames), node.op_type) != std::end(kNames);
  });
}

void check_opset(const ModelDef& model) {
  const auto opset = model.opsets.find("");
  if (opset == model.opsets.end()) return;
  if (opset->second >= 1 && opset->second < kOldestOpset && unchanged_since_opset_1(model.graph)) return;
  if (opset->second < kOldestOpset || opset->second > kNewestOpset) {
    throw Error(ErrorCode::kInvalidModel, "opset " + std::to_string(opset->second) + " is outside " +
                                              std::to_string(kOldestOpset) + " to " +
                                              std::to_string(kNewestOpset) +
                                              "; export the model again with an opset in that range");
  }
}

}  // namespace

Graph import_graph(const ModelDef& model) {
  check_opset(model);
  Report report;
  Graph graph = GraphImporter(model, report).run(model.graph);
  if (!report.operators.empty()) {
    std::string list;
    for (const auto& [name, missing] : report.operators) {
      list += (list.empty() ? "" : ", ") + name + " (opset " + missing.opset + ", " + missing.dtype + ", " +
              std::to_string(missing.count) + "x, first at node '" + missing.first_node + "')";
    }
    throw Error(ErrorCode::kInvalidModel, "operators that are not supported: " + list);
  }
  graph::check(graph);
  return graph;
}

Graph import_graph(const ModelDef& model, const std::filesystem::path& path) {
  try {
    return import_graph(model);
  } catch (Error& error) {
    error.add_context(path.string());
    throw;
  }
}

Graph load_graph(const std::filesystem::path& path) { return import_graph(read_model(path), path); }

}  // namespace vulcap::onnx
