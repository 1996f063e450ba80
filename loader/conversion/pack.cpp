#include "loader/conversion/pack.h"

#include "loader/conversion/folder.h"
#include "loader/onnx/external_locations.h"

namespace vulcap::conversion {

namespace fs = std::filesystem;

Packed pack(const fs::path& model, const fs::path& out, const PackOptions& options) {
  onnx::EditableModel editable = onnx::EditableModel::read(model);
  Packed packed;
  packed.out = out;
  for (const core::Tensor& tensor : editable.tensors()) packed.tensor_bytes += tensor.bytes().size();
  packed.tensors = editable.tensors().size();
  packed.equal_bytes = editable.share_equal();
  if (options.merge_equal) packed.merged = merge_equal_initializers(editable);
  onnx::WriteOptions write;
  write.external = options.external ? onnx::ExternalData::kAll : onnx::ExternalData::kNone;
  write.large_tensor = options.large_tensor;
  write.data_name = out.filename().string() + "_data";
  write.shard_bytes = options.shard_bytes;
  write.alignment = options.alignment;
  editable.write(out, write);
  packed.file_bytes = onnx::model_bytes(out);
  packed.data_files = onnx::model_files(out).size() - 1;
  return packed;
}

std::vector<Packed> pack_folder(const fs::path& folder, const fs::path& out, const PackOptions& options) {
  std::vector<Packed> all;
  convert_folder(folder, out, [&](const loader::OnnxFile& model, const fs::path& file) {
    all.push_back(pack(model.path, file, options));
    all.back().out = model.path.lexically_relative(folder);
  });
  return all;
}

}  // namespace vulcap::conversion
