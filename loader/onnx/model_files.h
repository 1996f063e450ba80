// A model as files: the .onnx file and those that hold large tensors beside it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "loader/onnx/wire_writer.h"

namespace vulcap::onnx {

// Protobuf cannot hold more than 2 GiB.
inline constexpr size_t kLargestFile = (size_t(1) << 31) - 1;

// Tensors outside of a model file, one behind the other.
class DataFile {
 public:
  static constexpr size_t kAlignment = 64;

  // `location`: its name beside the model. Tensors of at least `alignment` bytes begin at multiples of it,
  // smaller ones at multiples of kAlignment.
  explicit DataFile(std::string location, size_t alignment = kAlignment)
      : location_(std::move(location)), alignment_(alignment) {}

  // The fields of a TensorProto that lead to `bytes`, which must outlive this object and are stored once,
  // however often they are put.
  std::string put(Bytes bytes, bool file_backed);

  bool holds(Bytes bytes) const { return offsets_.count({bytes.data(), bytes.size()}) > 0; }
  const std::string& location() const { return location_; }
  const Rope& content() const { return content_; }

 private:
  std::string location_;
  size_t alignment_;
  Rope content_;
  std::map<std::pair<const std::byte*, size_t>, size_t> offsets_;
};

// Writes `model` to `out` and each data file that is not empty beside it. All take their names only when all
// are complete. Throws core::Error(kRuntime) when one cannot be written.
void write_model_files(const std::filesystem::path& out, const Rope& model,
                       const std::vector<DataFile>& data);

// Throws core::Error(kUsage) when `written` is the file `read`.
void refuse_same_file(const std::filesystem::path& read, const std::filesystem::path& written);

}  // namespace vulcap::onnx
