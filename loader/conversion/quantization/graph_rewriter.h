// Walks through the graphs of a model, branches and loop bodies included: what a name means where it stands,
// and other nodes in place of those that are there.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "loader/onnx/editable_model.h"

namespace vulcap::quantization {

// A graph among those around it.
class Scope {
 public:
  struct Constant {
    Scope* scope;  // the graph that holds it
    ::onnx::TensorProto* tensor;
    bool transposed = false;  // it is read through a Transpose of its two axes
  };

  Scope(::onnx::GraphProto& graph, Scope* outer);

  ::onnx::GraphProto& graph() { return graph_; }
  Scope* outer() { return outer_; }
  // The initializer behind a name, through Identity and Transpose nodes; none where the name is computed or
  // an input.
  std::optional<Constant> constant(const std::string& name);
  bool is_output(const std::string& name) const { return outputs_.count(name) > 0; }

  // What is made for one graph once: a name by the name it was made from.
  std::map<std::string, std::string> made;

 private:
  friend class GraphRewriter;
  struct Alias {
    std::string source;
    bool transposed;
  };

  ::onnx::GraphProto& graph_;
  Scope* outer_;
  std::map<std::string, ::onnx::TensorProto*> constants_;
  std::map<std::string, Alias> aliases_;
  std::set<std::string> computed_, outputs_;
};

class GraphRewriter {
 public:
  explicit GraphRewriter(onnx::EditableModel& model);

  onnx::EditableModel& model() { return model_; }

  // The nodes of all graphs, each before those of its subgraphs.
  void each_node(const std::function<void(Scope&, ::onnx::NodeProto&)>& visit);
  // The same; what `replace` emits takes the node's place. Where it answers false, the node stays behind what
  // was emitted.
  void rewrite(const std::function<bool(Scope&, ::onnx::NodeProto&)>& replace);
  ::onnx::NodeProto& emit(Scope& scope, const std::string& op, const std::string& name,
                          const std::vector<std::string>& inputs, const std::vector<std::string>& outputs);

  // A name like `base` that nothing in the model has; it is taken from now on.
  std::string unique(const std::string& base);
  // An initializer of a new name like `name`; returns the name.
  std::string add_constant(Scope& scope, const std::string& name, core::Tensor tensor);

  // Constant nodes of floating-point tensors with at least `rank` axes become initializers of that name,
  // except for outputs of graphs.
  void lift_constants(int rank);
  // Initializers that nothing reads any more, and the Transpose and Identity nodes before them.
  void remove_unused();

  // 0 where the model does not import the domain.
  int64_t opset(const std::string& domain) const;
  void import_domain(const std::string& domain, int64_t version);

 private:
  void walk(::onnx::GraphProto& graph, Scope* outer,
            const std::function<void(Scope&, ::onnx::NodeProto&)>& visit);
  void rewrite_graph(::onnx::GraphProto& graph, Scope* outer,
                     const std::function<bool(Scope&, ::onnx::NodeProto&)>& replace);
  bool lift(Scope& scope, ::onnx::NodeProto& node, int rank);

  onnx::EditableModel& model_;
  std::set<std::string> names_;
};

const ::onnx::AttributeProto* find_attribute(const ::onnx::NodeProto& node, const std::string& name);
int64_t integer_attribute(const ::onnx::NodeProto& node, const std::string& name, int64_t otherwise);
float real_attribute(const ::onnx::NodeProto& node, const std::string& name, float otherwise);
void set_attribute(::onnx::NodeProto& node, const std::string& name, int64_t value);
void set_attribute(::onnx::NodeProto& node, const std::string& name, const std::vector<int64_t>& values);
// "node /mlp/fc (Gemm)"
std::string node_text(const ::onnx::NodeProto& node);
bool is_standard(const ::onnx::NodeProto& node);  // of ai.onnx

}  // namespace vulcap::quantization
