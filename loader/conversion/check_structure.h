// What an .onnx file says of itself, and whether that holds together: everything is looked at, nothing stops
// at the first fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace vulcap::conversion {

struct Finding {
  bool is_error = true;  // the file is no valid ONNX model; else a warning
  std::string text;      // one line: where, what
};

struct ExternalFile {
  std::string location;     // beside the model
  uint64_t bytes = 0;       // of the file
  uint64_t bytes_used = 0;  // that tensors refer to, each once
};

struct Structure {
  int64_t ir_version = 0;
  std::string producer;
  std::map<std::string, int64_t> opsets;  // "" is ai.onnx
  size_t nodes = 0;                       // those of subgraphs and functions included
  size_t tensors = 0;
  uint64_t parameters = 0, tensor_bytes = 0;
  uint64_t file_bytes = 0;  // of the .onnx file
  std::vector<ExternalFile> external;
  std::vector<Finding> findings;  // at most kMostFindings, then one that says so
};

inline constexpr size_t kMostFindings = 100;

// Throws nothing for a file that is wrong: that is a finding. Looked at are
// - the format, the size of the file, versions of IR and opsets, domains without an opset;
// - every tensor: its type, that dims and bytes agree, that external data is beside the model, inside its
// folder
//   and long enough;
// - names: given twice, read but never or only later produced, of outputs that nothing produces;
// - nodes without operator, attributes without name, type or content;
// - what is of no use: initialisers and nodes that nothing reads, bytes of data files that belong to no
// tensor.
Structure check_structure(const std::filesystem::path& path);

}  // namespace vulcap::conversion
