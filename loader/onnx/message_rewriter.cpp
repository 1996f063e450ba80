#include "loader/onnx/message_rewriter.h"

#include <onnx/onnx.pb.h>

#include <utility>

#include "loader/onnx/tensor_reader.h"

namespace vulcap::onnx {
namespace {

namespace proto = ::onnx;
using proto::TensorProto;

constexpr int kDeepest = 64;  // graphs in attributes of nodes in graphs

bool holds_data(uint32_t field) {
  switch (field) {
    case TensorProto::kFloatDataFieldNumber:
    case TensorProto::kInt32DataFieldNumber:
    case TensorProto::kStringDataFieldNumber:
    case TensorProto::kInt64DataFieldNumber:
    case TensorProto::kRawDataFieldNumber:
    case TensorProto::kDoubleDataFieldNumber:
    case TensorProto::kUint64DataFieldNumber:
    case TensorProto::kExternalDataFieldNumber:
    case TensorProto::kDataLocationFieldNumber:
      return true;
    default:
      return false;
  }
}

// nullopt stands for a message that stays as it is.
class Rewriter {
 public:
  explicit Rewriter(const TensorHook& hook) : hook_(hook) {}

  std::optional<Rope> model(WireReader reader) const {
    return message(reader, [&](const WireReader& field) -> std::optional<Rope> {
      if (field.field() == proto::ModelProto::kGraphFieldNumber) return graph(field.message(), "");
      if (field.field() == proto::ModelProto::kFunctionsFieldNumber) return function(field.message());
      return std::nullopt;
    });
  }

 private:
  // `change` is asked for each field.
  template <typename Change>
  std::optional<Rope> message(WireReader reader, const Change& change) const {
    Rope rope;
    bool any = false;
    while (reader.next()) {
      std::optional<Rope> changed = change(reader);
      any |= changed.has_value();
      if (changed) {
        rope.add_field(reader.field(), std::move(*changed));
      } else {
        rope.add(reader.field_bytes());
      }
    }
    return any ? std::optional(std::move(rope)) : std::nullopt;
  }

  std::optional<Rope> graph(WireReader reader, const std::string& place, int depth = 0) const {
    if (depth > kDeepest) fail("graphs nest deeper than " + std::to_string(kDeepest) + " levels");
    return message(reader, [&](const WireReader& field) -> std::optional<Rope> {
      if (field.field() == proto::GraphProto::kNodeFieldNumber) return node(field.message(), place, depth);
      if (field.field() == proto::GraphProto::kInitializerFieldNumber)
        return hook_(field.message(), place + read_tensor_name(field.message()));
      return std::nullopt;
    });
  }

  std::optional<Rope> function(WireReader reader) const {
    return message(reader, [&](const WireReader& field) -> std::optional<Rope> {
      if (field.field() != proto::FunctionProto::kNodeFieldNumber) return std::nullopt;
      return node(field.message(), std::string(1, '\0'), 0);
    });
  }

  std::optional<Rope> node(WireReader reader, const std::string& place, int depth) const {
    std::optional<std::string> output;
    for (WireReader ahead = reader; ahead.next();) {
      if (ahead.field() == proto::NodeProto::kOutputFieldNumber && !output) output = ahead.text();
    }
    return message(reader, [&](const WireReader& field) -> std::optional<Rope> {
      if (field.field() != proto::NodeProto::kAttributeFieldNumber) return std::nullopt;
      return attribute(field.message(), place, output.value_or(""), depth);
    });
  }

  std::optional<Rope> attribute(WireReader reader, const std::string& place, const std::string& output,
                                int depth) const {
    using Proto = proto::AttributeProto;
    std::string name;
    for (WireReader ahead = reader; ahead.next();) {
      if (ahead.field() == Proto::kNameFieldNumber) name = ahead.text();
    }
    return message(reader, [&](const WireReader& field) -> std::optional<Rope> {
      const uint32_t number = field.field();
      if (number == Proto::kTFieldNumber || number == Proto::kTensorsFieldNumber)
        return hook_(field.message(), place + output);
      if (number == Proto::kGFieldNumber || number == Proto::kGraphsFieldNumber)
        return graph(field.message(), place_of_subgraph(place, output, name), depth + 1);
      return std::nullopt;
    });
  }

  const TensorHook& hook_;
};

}  // namespace

std::string place_of_subgraph(const std::string& place, const std::string& first_output,
                              const std::string& attribute) {
  return place + first_output + '\n' + attribute + '\n';
}

Rope rewrite_message(WireReader model, const TensorHook& hook) {
  if (std::optional<Rope> changed = Rewriter(hook).model(model)) return std::move(*changed);
  Rope same;
  while (model.next()) same.add(model.field_bytes());
  return same;
}

std::optional<std::string> external_location(WireReader message) {
  bool is_external = false;
  std::string location;
  while (message.next()) {
    if (message.field() == TensorProto::kExternalDataFieldNumber) {
      const auto [key, value] = read_string_entry(message.message());
      if (key == "location") location = value;
    }
    if (message.field() == TensorProto::kDataLocationFieldNumber)
      is_external = message.integer() == TensorProto::EXTERNAL;
  }
  return is_external ? std::optional(location) : std::nullopt;
}

Rope tensor_head(WireReader message) {
  Rope rope;
  while (message.next()) {
    if (!holds_data(message.field())) rope.add(message.field_bytes());
  }
  return rope;
}

}  // namespace vulcap::onnx
