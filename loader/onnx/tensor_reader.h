// TensorProto to core::Tensor.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "loader/onnx/external_data.h"
#include "loader/onnx/model.h"
#include "loader/onnx/wire.h"

namespace vulcap::onnx {

inline constexpr size_t kMaxRank = 32;

class TensorReader {
 public:
  enum class Alignment { kOfType, kAny };

  // `file` holds the messages that read() is given and stays mapped as long as a tensor points into it.
  // Relative external data is looked up beside it.
  explicit TensorReader(std::shared_ptr<const core::MappedFile> file,
                        Alignment alignment = Alignment::kOfType)
      : file_(std::move(file)), external_(file_->path()), alignment_(alignment) {}

  // Raw and external bytes are referred to in place, or copied when their address does not suit `alignment`;
  // values in typed fields (float_data, ...) are converted. Errors begin with the tensor's name.
  Initializer read(WireReader message);

  size_t copied_bytes() const { return copied_bytes_; }

 private:
  struct Fields;

  core::Tensor build(Fields& fields);
  core::Tensor place(core::DType dtype, const core::Shape& shape, MappedRange range);

  std::shared_ptr<const core::MappedFile> file_;
  ExternalFiles external_;
  Alignment alignment_;
  size_t copied_bytes_ = 0;
};

// The name of a TensorProto without its data.
std::string read_tensor_name(WireReader message);

// Key and value of a StringStringEntryProto.
std::pair<std::string, std::string> read_string_entry(WireReader message);

// The dtype of a TensorProto.DataType number; an error for the numbers that core::DType lacks.
core::DType dtype_of(int64_t data_type);

}  // namespace vulcap::onnx
