// The PyTorch module that a node comes from, from what torch's exporters leave behind.
#pragma once

#include <string>
#include <utility>

namespace vulcap::onnx {

// Of an entry of NodeProto.metadata_props; "" when it is another entry. The key pkg.torch.onnx.name_scopes
// holds "['', 'model', 'model.layers.0', 'linear']": modules from the outermost to the node's, then the
// operation.
std::string module_of_metadata(const std::pair<std::string, std::string>& entry);

// Of a node's name, "/model/layers.0/mlp/MatMul_1"; "" for names of another form.
std::string module_of_name(const std::string& name);

}  // namespace vulcap::onnx
