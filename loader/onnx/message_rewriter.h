// Copies the messages of a model file with other tensors in them.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "loader/onnx/wire.h"
#include "loader/onnx/wire_writer.h"

namespace vulcap::onnx {

// Where a graph stands in a model: "" is the outermost one; names of tensors follow. Initializers go by their
// own name, the tensor of a Constant node by its output's.
std::string place_of_subgraph(const std::string& place, const std::string& first_output,
                              const std::string& attribute);

// Gives the message that stands for a TensorProto; nullopt keeps it. Places inside functions begin with '\0'.
using TensorHook = std::function<std::optional<Rope>(WireReader message, const std::string& place)>;

// The message of a ModelProto; every field but the tensors that `hook` changes keeps its bytes, known to
// onnx.proto or not. The rope points into the bytes of `model`. Throws core::Error(kInvalidModel), also where
// graphs nest too deep.
Rope rewrite_message(WireReader model, const TensorHook& hook);

// The file that holds the content of a TensorProto, as the message names it; nullopt: the message does.
std::optional<std::string> external_location(WireReader message);

// Those fields of a TensorProto that say nothing of its content: name, dims, type.
Rope tensor_head(WireReader message);

}  // namespace vulcap::onnx
