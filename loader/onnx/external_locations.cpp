#include "loader/onnx/external_locations.h"

#include <onnx/onnx.pb.h>

#include "loader/onnx/wire.h"
#include "loader/open_regular.h"
#include "runtime/core/error.h"

namespace vulcap::onnx {
namespace {

namespace proto = ::onnx;

using Locations = std::set<std::string>;

constexpr int kMaxDepth = 64;  // of graphs in attributes of nodes in graphs

void read_entry(WireReader entry, Locations& found) {
  using Proto = proto::StringStringEntryProto;
  std::string key, value;
  while (entry.next()) {
    if (entry.field() == Proto::kKeyFieldNumber) key = entry.text();
    if (entry.field() == Proto::kValueFieldNumber) value = entry.text();
  }
  if (key == "location") found.insert(value);
}

void read_tensor(WireReader tensor, Locations& found) {
  while (tensor.next())
    if (tensor.field() == proto::TensorProto::kExternalDataFieldNumber) read_entry(tensor.message(), found);
}

void read_graph(WireReader graph, int depth, Locations& found);

void read_attribute(WireReader attribute, int depth, Locations& found) {
  using Proto = proto::AttributeProto;
  while (attribute.next()) {
    const uint32_t field = attribute.field();
    if (field == Proto::kTFieldNumber || field == Proto::kTensorsFieldNumber)
      read_tensor(attribute.message(), found);
    if (field == Proto::kGFieldNumber || field == Proto::kGraphsFieldNumber)
      read_graph(attribute.message(), depth + 1, found);
  }
}

void read_node(WireReader node, int depth, Locations& found) {
  while (node.next())
    if (node.field() == proto::NodeProto::kAttributeFieldNumber) read_attribute(node.message(), depth, found);
}

void read_graph(WireReader graph, int depth, Locations& found) {
  using Proto = proto::GraphProto;
  if (depth > kMaxDepth) fail("graphs nest deeper than " + std::to_string(kMaxDepth) + " levels");
  while (graph.next()) {
    if (graph.field() == Proto::kInitializerFieldNumber) read_tensor(graph.message(), found);
    if (graph.field() == Proto::kNodeFieldNumber) read_node(graph.message(), depth, found);
  }
}

void read_function(WireReader function, Locations& found) {
  while (function.next())
    if (function.field() == proto::FunctionProto::kNodeFieldNumber) read_node(function.message(), 0, found);
}

}  // namespace

std::set<std::string> external_locations(const std::filesystem::path& path) {
  using Proto = proto::ModelProto;
  const auto file = loader::open_regular(path);
  Locations found;
  try {
    WireReader model(file->bytes());
    while (model.next()) {
      if (model.field() == Proto::kGraphFieldNumber) read_graph(model.message(), 0, found);
      if (model.field() == Proto::kFunctionsFieldNumber) read_function(model.message(), found);
    }
  } catch (core::Error& error) {
    throw error.add_context(path.string());
  }
  return found;
}

}  // namespace vulcap::onnx
