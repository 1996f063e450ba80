#include "loader/onnx/model_writer.h"

#include <onnx/onnx.pb.h>

#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "loader/onnx/message_rewriter.h"
#include "loader/onnx/tensor_reader.h"
#include "loader/onnx/wire_writer.h"
#include "loader/open_regular.h"
#include "runtime/core/error.h"

namespace vulcap::onnx {
namespace {

namespace fs = std::filesystem;
namespace proto = ::onnx;
using proto::TensorProto;

constexpr size_t kLargeTensor = 1024;

size_t raw_bytes(WireReader message) {
  size_t bytes = 0;
  while (message.next())
    if (message.field() == TensorProto::kRawDataFieldNumber) bytes = message.bytes().size();
  return bytes;
}

// The tensors of one model as they are written.
class TensorWriter {
 public:
  // `location` names the data file beside the new model.
  TensorWriter(std::shared_ptr<const core::MappedFile> file, const TensorEdits& edits,
               const std::string& location, bool all_external)
      : tensors_(std::move(file)), edits_(edits), data_(location), all_external_(all_external) {}

  std::optional<Rope> tensor(WireReader message, const std::string& place) {
    const auto edit = edits_.find(place);
    const auto location = external_location(message);
    const bool moves = location || (all_external_ && raw_bytes(message) >= kLargeTensor);
    if (edit == edits_.end() && !moves) return std::nullopt;
    if (location) locations_.insert(*location);
    kept_.push_back(edit == edits_.end() ? tensors_.read(message).tensor : edit->second);
    const core::Tensor& tensor = kept_.back();
    Rope rope = tensor_head(message);
    if (moves && !tensor.bytes().empty()) {
      rope.add(data_.put(tensor.bytes(), tensor.file_backed()));
    } else {
      rope.add(wire_header(TensorProto::kRawDataFieldNumber, tensor.bytes().size()));
      rope.add(tensor.bytes(), tensor.file_backed());
    }
    return rope;
  }

  const DataFile& data() const { return data_; }
  // External files that the model reads.
  const std::set<std::string>& locations() const { return locations_; }

 private:
  TensorReader tensors_;
  const TensorEdits& edits_;
  DataFile data_;
  bool all_external_;
  std::vector<core::Tensor> kept_;
  std::set<std::string> locations_;
};

}  // namespace

void rewrite_model(const fs::path& model, const TensorEdits& edits, const fs::path& out,
                   size_t inline_limit) {
  const fs::path data_path = out.string() + ".data";
  const auto file = loader::open_regular(model);
  refuse_same_file(model, out);
  std::unique_ptr<TensorWriter> writer;
  const auto rewrite = [&](bool all_external) {
    writer = std::make_unique<TensorWriter>(file, edits, data_path.filename().string(), all_external);
    return rewrite_message(WireReader(file->bytes()), [&](WireReader message, const std::string& place) {
      return writer->tensor(message, place);
    });
  };
  try {
    Rope rope = rewrite(false);
    if (rope.size() > inline_limit) rope = rewrite(true);
    for (const std::string& location : writer->locations())
      refuse_same_file(model.parent_path() / location, data_path);
    write_model_files(out, rope, {writer->data()});
  } catch (core::Error& error) {
    if (error.code() == core::ErrorCode::kInvalidModel) error.add_context(model.string());
    throw;
  }
}

}  // namespace vulcap::onnx
