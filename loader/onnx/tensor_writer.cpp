#include "loader/onnx/tensor_writer.h"

#include <onnx/onnx.pb.h>

#include <fstream>

#include "loader/onnx/wire_writer.h"
#include "runtime/core/error.h"

namespace vulcap::onnx {

using Proto = ::onnx::TensorProto;

void write_tensor_file(const std::filesystem::path& path, const std::string& name,
                       const core::Tensor& tensor) {
  std::string start;
  for (const int64_t dim : tensor.shape()) start += wire_number(Proto::kDimsFieldNumber, uint64_t(dim));
  start +=
      wire_number(Proto::kDataTypeFieldNumber, uint64_t(tensor.dtype()));  // core::DType has ONNX's numbers
  start += wire_text(Proto::kNameFieldNumber, name);
  const auto bytes = tensor.bytes();
  start += wire_header(Proto::kRawDataFieldNumber, bytes.size());
  std::ofstream out(path, std::ios::binary);
  out.write(start.data(), std::streamsize(start.size()));
  out.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  if (!out.flush()) throw core::Error(core::ErrorCode::kRuntime, path.string() + ": cannot be written");
}

}  // namespace vulcap::onnx
