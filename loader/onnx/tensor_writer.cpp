#include "loader/onnx/tensor_writer.h"

#include <onnx/onnx.pb.h>

#include <fstream>

#include "runtime/core/error.h"

namespace vulcap::onnx {

void write_tensor_file(const std::filesystem::path& path, const std::string& name,
                       const core::Tensor& tensor) {
  ::onnx::TensorProto proto;
  proto.set_name(name);
  proto.set_data_type(int(tensor.dtype()));  // core::DType has ONNX's numbers
  for (const int64_t dim : tensor.shape()) proto.add_dims(dim);
  proto.set_raw_data(tensor.bytes().data(), tensor.bytes().size());
  std::ofstream out(path, std::ios::binary);
  if (!out || !proto.SerializeToOstream(&out) || !out.flush())
    throw core::Error(core::ErrorCode::kRuntime, path.string() + ": cannot be written");
}

}  // namespace vulcap::onnx
