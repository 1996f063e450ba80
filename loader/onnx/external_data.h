// Files beside a model that hold its large tensors (ONNX "external data"). A location is accepted when it is
// relative, has no ".." and its target, all symlinks resolved, lies inside the model's own folder. Hub caches
// keep every file of a model as a symlink into one folder of blobs: when the .onnx file itself is a symlink,
// the folder of its target is accepted as well.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "loader/onnx/wire.h"
#include "runtime/core/mapped_file.h"

namespace vulcap::onnx {

struct ExternalRange {
  std::string location;
  int64_t offset = 0;
  std::optional<int64_t> length;
};

struct MappedRange {
  std::shared_ptr<const core::MappedFile> file;
  Bytes bytes;
};

class ExternalFiles {
 public:
  explicit ExternalFiles(std::filesystem::path model) : model_(std::move(model)) {}

  // The `size` bytes of `range`; each file is mapped once. Throws core::Error(kInvalidModel).
  MappedRange map(const ExternalRange& range, size_t size);

 private:
  std::filesystem::path resolve(const std::string& location) const;

  std::filesystem::path model_;
  std::map<std::string, std::shared_ptr<const core::MappedFile>> files_;
};

}  // namespace vulcap::onnx
