#include "loader/onnx/tensor_writer.h"

#include <onnx/onnx.pb.h>

#include <fstream>

#include "runtime/core/error.h"

namespace vulcap::onnx {
namespace {

using Proto = ::onnx::TensorProto;

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += char(value | 0x80);
  return bytes + char(value);
}

std::string number(uint32_t field, uint64_t value) { return varint(field << 3) + varint(value); }

// Key and length of a field of bytes, which follow.
std::string header(uint32_t field, size_t length) { return varint(field << 3 | 2) + varint(length); }

}  // namespace

void write_tensor_file(const std::filesystem::path& path, const std::string& name,
                       const core::Tensor& tensor) {
  std::string start;
  for (const int64_t dim : tensor.shape()) start += number(Proto::kDimsFieldNumber, uint64_t(dim));
  start += number(Proto::kDataTypeFieldNumber, uint64_t(tensor.dtype()));  // core::DType has ONNX's numbers
  start += header(Proto::kNameFieldNumber, name.size()) + name;
  const auto bytes = tensor.bytes();
  start += header(Proto::kRawDataFieldNumber, bytes.size());
  std::ofstream out(path, std::ios::binary);
  out.write(start.data(), std::streamsize(start.size()));
  out.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  if (!out.flush()) throw core::Error(core::ErrorCode::kRuntime, path.string() + ": cannot be written");
}

}  // namespace vulcap::onnx
