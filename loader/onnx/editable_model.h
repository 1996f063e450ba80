// A model that can be changed and written: the fields of onnx.proto as protobuf's objects, all tensors
// outside of them and, where they come from a file, still in it. Fields that onnx.proto does not know are
// kept.
#pragma once

#include <onnx/onnx.pb.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "loader/onnx/model_files.h"
#include "runtime/core/tensor.h"

namespace vulcap::onnx {

enum class ExternalData {
  kAuto,  // where the file would otherwise exceed its limit, or the model was read from several files
  kNone,
  kAll,  // all large tensors
};

struct WriteOptions {
  ExternalData external = ExternalData::kAuto;
  size_t inline_limit = kLargestFile;  // bytes of the .onnx file
  size_t large_tensor = 1024;          // bytes; smaller ones stay in the .onnx file
  std::string data_name = {};          // of the file beside it; "": the .onnx file's name + ".data"
  size_t shard_bytes = SIZE_MAX;       // a further data file, data_name + "_1", ..., begins where one is full
  size_t alignment = DataFile::kAlignment;  // of tensors in data files that are at least so large
};

class EditableModel {
 public:
  EditableModel() = default;  // empty
  // Throws core::Error(kInvalidModel) beginning with the path: no model, not protobuf, tensors or external
  // data that cannot be read. Nothing is said of the graph: read_model checks that.
  static EditableModel read(const std::filesystem::path& path);

  ::onnx::ModelProto& proto() { return proto_; }
  const ::onnx::ModelProto& proto() const { return proto_; }

  // The tensor of a message of this model. Its content may be read as numbers.
  core::Tensor tensor(const ::onnx::TensorProto& message) const;
  // The same without a copy: not aligned to its type.
  const core::Tensor& stored(const ::onnx::TensorProto& message) const;
  // All tensors, those of messages that are gone included.
  const std::vector<core::Tensor>& tensors() const { return tensors_; }
  // Gives `message`, which becomes part of this model, type, dims and content; its name stays. The same
  // content under two names is written once where it is outside of the .onnx file.
  void set_tensor(::onnx::TensorProto& message, core::Tensor tensor);
  // Tensors of equal content share it from now on: it is written once where it is outside of the .onnx file,
  // and stored() of both points to the same bytes. Returns the bytes that are spared.
  size_t share_equal();

  // Files that the model was read from, the .onnx file first.
  const std::vector<std::filesystem::path>& sources() const { return sources_; }

  // Throws core::Error: kUsage when `out` or a data file is one that the model was read from, or when it is
  // larger than the limit with ExternalData::kNone; kRuntime when a file cannot be written. Nothing is left
  // of what could not be completed.
  void write(const std::filesystem::path& out, const WriteOptions& options = {}) const;

 private:
  class Writer;

  ::onnx::ModelProto proto_;
  std::vector<core::Tensor> tensors_;
  std::vector<std::filesystem::path> sources_;
};

}  // namespace vulcap::onnx
