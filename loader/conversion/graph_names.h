#pragma once

#include <onnx/onnx.pb.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace vulcap::conversion {

struct NamesReport {
  std::vector<std::string> errors, warnings;  // one line each
  std::set<std::string> read;                 // names that a node or a list of outputs reads, in any graph
  size_t nodes = 0;
};

// Whether every name of a model stands for one value that is there before it is read, in the graphs, their
// subgraphs and the functions; also what nodes and attributes must have. Looks at no tensor's content.
NamesReport check_names(const ::onnx::ModelProto& model);

}  // namespace vulcap::conversion
