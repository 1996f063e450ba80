#include <onnx/onnx.pb.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "loader/onnx/check_graph.h"
#include "loader/onnx/external_data.h"
#include "loader/onnx/model.h"
#include "loader/onnx/node_module.h"
#include "loader/onnx/tensor_reader.h"
#include "loader/onnx/wire.h"
#include "loader/open_regular.h"
#include "runtime/core/error.h"
#include "runtime/core/mapped_file.h"

namespace vulcap::onnx {
namespace {

namespace proto = ::onnx;
using Opsets = std::map<std::string, int64_t>;

constexpr int kMaxGraphDepth = 16;

// Fields younger than Debian 12's schema (ONNX 1.14 and 1.16).
constexpr uint32_t kNodeOverload = 8;
constexpr uint32_t kNodeMetadata = 9;
constexpr uint32_t kFunctionAttributeProto = 11;
constexpr uint32_t kFunctionOverload = 13;

std::string domain_name(std::string name) { return name == "ai.onnx" ? std::string() : name; }

Dim read_dim(WireReader reader) {
  using Dimension = proto::TensorShapeProto_Dimension;
  Dim dim = std::string();
  while (reader.next()) {
    if (reader.field() == Dimension::kDimValueFieldNumber) dim = reader.integer();
    if (reader.field() == Dimension::kDimParamFieldNumber) dim = reader.text();
  }
  const auto* value = std::get_if<int64_t>(&dim);
  if (value != nullptr && *value < 0) return std::string();
  return dim;
}

void read_shape(WireReader reader, ValueInfo& info) {
  info.has_shape = true;
  info.shape.clear();
  while (reader.next()) {
    if (reader.field() == proto::TensorShapeProto::kDimFieldNumber)
      info.shape.push_back(read_dim(reader.message()));
    if (info.shape.size() > kMaxRank) fail("has more than " + std::to_string(kMaxRank) + " dims");
  }
}

void read_tensor_type(WireReader reader, ValueInfo& info) {
  while (reader.next()) {
    if (reader.field() == proto::TypeProto_Tensor::kElemTypeFieldNumber) {
      info.dtype = reader.integer() == 0 ? core::DType::kUndefined : dtype_of(reader.integer());
    }
    if (reader.field() == proto::TypeProto_Tensor::kShapeFieldNumber) read_shape(reader.message(), info);
  }
}

void read_type(WireReader reader, ValueInfo& info, bool element = false) {
  while (reader.next()) {
    if (reader.field() == proto::TypeProto::kTensorTypeFieldNumber) read_tensor_type(reader.message(), info);
    if (reader.field() != proto::TypeProto::kSequenceTypeFieldNumber || element) continue;
    info.is_sequence = true;
    WireReader sequence = reader.message();
    while (sequence.next()) {
      if (sequence.field() == proto::TypeProto_Sequence::kElemTypeFieldNumber)
        read_type(sequence.message(), info, true);
    }
  }
}

ValueInfo read_value_info(WireReader reader) {
  ValueInfo info;
  try {
    while (reader.next()) {
      if (reader.field() == proto::ValueInfoProto::kNameFieldNumber) info.name = reader.text();
      if (reader.field() == proto::ValueInfoProto::kTypeFieldNumber) read_type(reader.message(), info);
    }
    if (info.name.empty()) fail("has no name");
  } catch (core::Error& error) {
    error.add_context("value " + quote(info.name));
    throw;
  }
  return info;
}

void read_opset(WireReader reader, Opsets& opsets) {
  std::string domain;
  int64_t version = 0;
  while (reader.next()) {
    if (reader.field() == proto::OperatorSetIdProto::kDomainFieldNumber) domain = domain_name(reader.text());
    if (reader.field() == proto::OperatorSetIdProto::kVersionFieldNumber) version = reader.integer();
  }
  const auto [at, is_new] = opsets.emplace(domain, version);
  if (!is_new && at->second != version) {
    fail("opset of domain " + quote(domain) + " is declared twice, as " + std::to_string(at->second) +
         " and " + std::to_string(version));
  }
}

// Drops the inputs that an initializer gives a value (every initializer, in files of IR version 3).
template <typename Names>
void drop_initialized(std::vector<ValueInfo>& inputs, const Names& initialized) {
  std::erase_if(inputs, [&](const ValueInfo& input) { return initialized.contains(input.name); });
}

// Every value that an AttributeProto holds; `type` tells which one counts.
struct AttributeFields {
  int64_t type = proto::AttributeProto::UNDEFINED;
  int64_t seen = proto::AttributeProto::UNDEFINED;
  float number = 0;
  int64_t integer = 0;
  std::string text;
  std::optional<core::Tensor> tensor;
  std::shared_ptr<GraphDef> graph;
  std::vector<float> floats;
  std::vector<int64_t> integers;
  std::vector<std::string> texts;

  AttributeValue take(int64_t kind);
};

AttributeValue AttributeFields::take(int64_t kind) {
  switch (kind) {
    case proto::AttributeProto::FLOAT:
      return number;
    case proto::AttributeProto::INT:
      return integer;
    case proto::AttributeProto::STRING:
      return std::move(text);
    case proto::AttributeProto::TENSOR:
      if (!tensor) fail("holds no tensor");
      return std::move(*tensor);
    case proto::AttributeProto::GRAPH:
      if (!graph) fail("holds no graph");
      return std::move(graph);
    case proto::AttributeProto::FLOATS:
      return std::move(floats);
    case proto::AttributeProto::INTS:
      return std::move(integers);
    case proto::AttributeProto::STRINGS:
      return std::move(texts);
    default:
      return std::monostate();
  }
}

class ModelReader {
 public:
  explicit ModelReader(std::shared_ptr<const core::MappedFile> file)
      : tensors_(file), file_(std::move(file)) {}

  ModelDef read();

 private:
  GraphDef read_graph(WireReader reader);
  NodeDef read_node(WireReader reader, size_t index);
  void read_node_field(const WireReader& reader, NodeDef& node);
  Attribute read_attribute(WireReader reader);
  void read_attribute_value(const WireReader& reader, AttributeFields& fields);
  Function read_function(WireReader reader);
  void check(ModelDef& model);

  TensorReader tensors_;
  std::shared_ptr<const core::MappedFile> file_;
  int depth_ = 0;
};

void ModelReader::read_attribute_value(const WireReader& reader, AttributeFields& fields) {
  using Proto = proto::AttributeProto;
  switch (reader.field()) {
    case Proto::kFFieldNumber:
      fields.number = reader.float32();
      fields.seen = Proto::FLOAT;
      return;
    case Proto::kIFieldNumber:
      fields.integer = reader.integer();
      fields.seen = Proto::INT;
      return;
    case Proto::kSFieldNumber:
      fields.text = reader.text();
      fields.seen = Proto::STRING;
      return;
    case Proto::kTFieldNumber:
      fields.tensor = tensors_.read(reader.message()).tensor;
      fields.seen = Proto::TENSOR;
      return;
    case Proto::kGFieldNumber:
      fields.graph = std::make_shared<GraphDef>(read_graph(reader.message()));
      fields.seen = Proto::GRAPH;
      return;
    case Proto::kFloatsFieldNumber:
      reader.append_fixed(fields.floats);
      fields.seen = Proto::FLOATS;
      return;
    case Proto::kIntsFieldNumber:
      reader.append_varints(fields.integers);
      fields.seen = Proto::INTS;
      return;
    case Proto::kStringsFieldNumber:
      fields.texts.push_back(reader.text());
      fields.seen = Proto::STRINGS;
      return;
    default:
      return;
  }
}

Attribute ModelReader::read_attribute(WireReader reader) {
  using Proto = proto::AttributeProto;
  Attribute attribute;
  AttributeFields fields;
  try {
    while (reader.next()) {
      if (reader.field() == Proto::kNameFieldNumber) attribute.name = reader.text();
      if (reader.field() == Proto::kRefAttrNameFieldNumber) attribute.ref_attr_name = reader.text();
      if (reader.field() == Proto::kTypeFieldNumber) fields.type = reader.integer();
      read_attribute_value(reader, fields);
    }
    if (attribute.name.empty()) fail("has no name");
    const bool typed = fields.type != Proto::UNDEFINED;
    if (attribute.ref_attr_name.empty()) attribute.value = fields.take(typed ? fields.type : fields.seen);
  } catch (core::Error& error) {
    error.add_context("attribute " + quote(attribute.name));
    throw;
  }
  return attribute;
}

void ModelReader::read_node_field(const WireReader& reader, NodeDef& node) {
  using Proto = proto::NodeProto;
  switch (reader.field()) {
    case Proto::kInputFieldNumber:
      node.inputs.push_back(reader.text());
      return;
    case Proto::kOutputFieldNumber:
      node.outputs.push_back(reader.text());
      return;
    case Proto::kNameFieldNumber:
      node.name = reader.text();
      return;
    case Proto::kOpTypeFieldNumber:
      node.op_type = reader.text();
      return;
    case Proto::kDomainFieldNumber:
      node.domain = domain_name(reader.text());
      return;
    case kNodeOverload:
      node.overload = reader.text();
      return;
    case kNodeMetadata:
      if (std::string module = module_of_metadata(read_string_entry(reader.message())); !module.empty())
        node.module = module;
      return;
    case Proto::kAttributeFieldNumber:
      node.attributes.push_back(read_attribute(reader.message()));
      return;
    default:
      return;
  }
}

NodeDef ModelReader::read_node(WireReader reader, size_t index) {
  NodeDef node;
  try {
    while (reader.next()) read_node_field(reader, node);
    if (node.module.empty()) node.module = module_of_name(node.name);
    if (node.op_type.empty()) fail("has no operator type");
  } catch (core::Error& error) {
    error.add_context(node_text(node, index));
    throw;
  }
  return node;
}

GraphDef ModelReader::read_graph(WireReader reader) {
  using Proto = proto::GraphProto;
  if (++depth_ > kMaxGraphDepth) fail("graphs nest deeper than " + std::to_string(kMaxGraphDepth));
  GraphDef graph;
  std::unordered_set<std::string> initialized;
  while (reader.next()) {
    switch (reader.field()) {
      case Proto::kNodeFieldNumber:
        graph.nodes.push_back(read_node(reader.message(), graph.nodes.size()));
        break;
      case Proto::kNameFieldNumber:
        graph.name = reader.text();
        break;
      case Proto::kInitializerFieldNumber:
        graph.initializers.push_back(tensors_.read(reader.message()));
        if (graph.initializers.back().name.empty()) fail("an initializer has no name");
        initialized.insert(graph.initializers.back().name);
        break;
      case Proto::kSparseInitializerFieldNumber:
        fail("sparse initializers are not supported");
      case Proto::kInputFieldNumber:
        graph.inputs.push_back(read_value_info(reader.message()));
        break;
      case Proto::kOutputFieldNumber:
        graph.outputs.push_back(read_value_info(reader.message()));
        break;
      case Proto::kValueInfoFieldNumber:
        graph.value_infos.push_back(read_value_info(reader.message()));
        break;
      default:
        break;
    }
  }
  drop_initialized(graph.inputs, initialized);
  --depth_;
  return graph;
}

Function ModelReader::read_function(WireReader reader) {
  using Proto = proto::FunctionProto;
  Function function;
  while (reader.next()) {
    switch (reader.field()) {
      case Proto::kNameFieldNumber:
        function.name = reader.text();
        break;
      case Proto::kDomainFieldNumber:
        function.domain = domain_name(reader.text());
        break;
      case kFunctionOverload:
        function.overload = reader.text();
        break;
      case Proto::kInputFieldNumber:
        function.inputs.push_back(reader.text());
        break;
      case Proto::kOutputFieldNumber:
        function.outputs.push_back(reader.text());
        break;
      case Proto::kAttributeFieldNumber:
        function.attributes.push_back(reader.text());
        break;
      case kFunctionAttributeProto:
        function.defaults.push_back(read_attribute(reader.message()));
        break;
      case Proto::kNodeFieldNumber:
        function.nodes.push_back(read_node(reader.message(), function.nodes.size()));
        break;
      case Proto::kOpsetImportFieldNumber:
        read_opset(reader.message(), function.opsets);
        break;
      default:
        break;
    }
  }
  if (function.name.empty()) fail("a function has no name");
  return function;
}

void ModelReader::check(ModelDef& model) {
  if (model.opsets.empty())
    fail("declares no opset (opset_import is empty), so its operators have no meaning");
  check_opsets(model.graph.nodes, model.opsets);
  check_graph(model.graph);
  for (Function& function : model.functions) {
    try {
      check_opsets(function.nodes, function.opsets);
      check_function(function);
    } catch (core::Error& error) {
      error.add_context("function " + quote(function.name));
      throw;
    }
  }
}

[[noreturn]] void fail_without_graph() { fail("holds no graph; not an ONNX model"); }

ModelDef ModelReader::read() {
  using Proto = proto::ModelProto;
  ModelDef model;
  bool has_graph = false;
  WireReader reader(file_->bytes());
  while (reader.next()) {
    switch (reader.field()) {
      case Proto::kIrVersionFieldNumber:
        model.ir_version = reader.integer();
        break;
      case Proto::kProducerNameFieldNumber:
        model.producer = reader.text();
        break;
      case Proto::kOpsetImportFieldNumber:
        read_opset(reader.message(), model.opsets);
        break;
      case Proto::kGraphFieldNumber:
        if (std::exchange(has_graph, true)) fail("holds two graphs; not an ONNX model");
        model.graph = read_graph(reader.message());
        break;
      case Proto::kFunctionsFieldNumber:
        model.functions.push_back(read_function(reader.message()));
        break;
      default:
        break;
    }
  }
  if (!has_graph) fail_without_graph();
  check(model);
  model.copied_bytes = tensors_.copied_bytes();
  return model;
}

void read_graph_signature(WireReader reader, GraphSignature& signature) {
  using Proto = proto::GraphProto;
  std::unordered_set<std::string> initialized;
  while (reader.next()) {
    if (reader.field() == Proto::kInputFieldNumber)
      signature.inputs.push_back(read_value_info(reader.message()));
    if (reader.field() == Proto::kOutputFieldNumber)
      signature.outputs.push_back(read_value_info(reader.message()));
    if (reader.field() == Proto::kInitializerFieldNumber)
      initialized.insert(read_tensor_name(reader.message()));
  }
  drop_initialized(signature.inputs, initialized);
}

// How a file that is no ONNX model is recognised, and what to say about it.
struct ForeignFormat {
  std::string_view mark, message;
  size_t offset = 0;
};
constexpr std::array kForeignFormats = {
    ForeignFormat{"version https://git-lfs", "is a Git LFS pointer, not a model; run git lfs pull"},
    ForeignFormat{"<!DOCTYPE", "is a web page, not a model; download the file itself"},
    ForeignFormat{"<!doctype", "is a web page, not a model; download the file itself"},
    ForeignFormat{"<html", "is a web page, not a model; download the file itself"},
    ForeignFormat{"PK\x03\x04", "is a ZIP archive (a PyTorch checkpoint?), not an ONNX model"},
    ForeignFormat{"GGUF", "is a GGUF file, not an ONNX model"},
    ForeignFormat{"ORTM", "is an ORT format model; only .onnx is supported", 4},
    ForeignFormat{"\x89HDF", "is an HDF5 file, not an ONNX model"},
};

std::shared_ptr<const core::MappedFile> open_protobuf(const std::filesystem::path& path) {
  auto file = loader::open_regular(path);
  const Bytes bytes = file->bytes();
  if (bytes.empty()) throw core::Error(core::ErrorCode::kInvalidModel, path.string() + ": is empty");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const ForeignFormat& format : kForeignFormats) {
    if (text.size() < format.offset || !text.substr(format.offset).starts_with(format.mark)) continue;
    throw core::Error(core::ErrorCode::kInvalidModel, path.string() + ": " + std::string(format.message));
  }
  return file;
}

template <typename Body>
auto with_path(const std::filesystem::path& path, Body body) {
  try {
    return body(open_protobuf(path));
  } catch (core::Error& error) {
    if (!error.message().starts_with(path.string() + ": ")) error.add_context(path.string());
    throw;
  }
}

}  // namespace

ModelDef read_model(const std::filesystem::path& path) {
  return with_path(path, [](auto file) { return ModelReader(std::move(file)).read(); });
}

GraphSignature read_signature(const std::filesystem::path& path) {
  return with_path(path, [](auto file) {
    using Proto = proto::ModelProto;
    GraphSignature signature;
    bool has_graph = false;
    WireReader reader(file->bytes());
    while (reader.next()) {
      if (reader.field() == Proto::kOpsetImportFieldNumber) read_opset(reader.message(), signature.opsets);
      if (reader.field() != Proto::kGraphFieldNumber) continue;
      has_graph = true;
      read_graph_signature(reader.message(), signature);
    }
    if (!has_graph) fail_without_graph();
    return signature;
  });
}

Initializer read_tensor_file(const std::filesystem::path& path) {
  return with_path(path, [](auto file) {
    WireReader message(file->bytes());
    return TensorReader(std::move(file)).read(message);
  });
}

}  // namespace vulcap::onnx
