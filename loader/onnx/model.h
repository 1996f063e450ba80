// An ONNX file as plain data: names and tensors, nothing interpreted. The wire schema is onnx.proto; fields
// that do not change results (doc strings, metadata, training info, quantisation annotations) are left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "runtime/core/dtype.h"
#include "runtime/core/tensor.h"

namespace vulcap::onnx {

struct GraphDef;

using AttributeValue =
    std::variant<std::monostate, int64_t, float, std::string, core::Tensor, std::vector<int64_t>,
                 std::vector<float>, std::vector<std::string>, std::shared_ptr<GraphDef>>;

// monostate: `ref_attr_name` is set (inside a function), or the kind (type, sparse tensor, lists of tensors
// or graphs) is one that no supported operator takes.
struct Attribute {
  std::string name;
  AttributeValue value;
  std::string ref_attr_name;
};

// A number, or a symbol; "" where the size is unknown.
using Dim = std::variant<int64_t, std::string>;

// Of a sequence: dtype and shape of its elements. dtype kUndefined and has_shape false for maps and
// optionals, and where the file says nothing.
struct ValueInfo {
  std::string name;
  bool is_sequence = false;
  core::DType dtype = core::DType::kUndefined;
  bool has_shape = false;
  std::vector<Dim> shape;
};

// "" in inputs or outputs is an optional one left out. domain "" is ai.onnx. `module` is the path of the
// PyTorch module that the node comes from ("model.layers.0.mlp"), as far as the exporter noted it in
// metadata or in the node's name; "" otherwise.
struct NodeDef {
  std::string name, op_type, domain, overload, module;
  std::vector<std::string> inputs, outputs;
  std::vector<Attribute> attributes;
};

// String tensors keep dtype kString and their shape, but no data.
struct Initializer {
  std::string name;
  core::Tensor tensor;
};

// Nodes are in an order in which every value is produced before it is read; the names of one graph are
// unique; a node reads only what this graph or an outer one provides. An input that has an initializer of the
// same name is not listed as an input.
struct GraphDef {
  std::string name;
  std::vector<NodeDef> nodes;
  std::vector<ValueInfo> inputs, outputs, value_infos;
  std::vector<Initializer> initializers;
};

struct Function {
  std::string domain, name, overload;
  std::vector<std::string> inputs, outputs;
  std::vector<std::string> attributes;  // names without a default
  std::vector<Attribute> defaults;
  std::vector<NodeDef> nodes;
  std::map<std::string, int64_t> opsets;
};

struct ModelDef {
  int64_t ir_version = 0;
  std::string producer;
  std::map<std::string, int64_t> opsets;  // "" is ai.onnx
  GraphDef graph;
  std::vector<Function> functions;
  // Weights that had to be copied because the file holds them at an address their type does not allow.
  size_t copied_bytes = 0;
};

struct GraphSignature {
  std::vector<ValueInfo> inputs, outputs;
  std::map<std::string, int64_t> opsets;
};

// Reads a model. Tensors stored as raw bytes or as external data point into mapped files, except those
// counted in copied_bytes. Throws core::Error(kInvalidModel) in one line that begins with the path: file
// missing, empty, truncated or of another format; no graph; no opset; a name that is missing, used twice or
// never produced; a tensor whose bytes and dims disagree; external data that is missing, short or outside the
// model's folder (see external_data.h).
ModelDef read_model(const std::filesystem::path& path);

// Inputs, outputs and opsets only; touches no weights. The same errors, as far as it reads.
GraphSignature read_signature(const std::filesystem::path& path);

// A TensorProto file (input_0.pb of a test_data_set).
Initializer read_tensor_file(const std::filesystem::path& path);

}  // namespace vulcap::onnx
