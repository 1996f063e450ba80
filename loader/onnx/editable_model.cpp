#include "loader/onnx/editable_model.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "loader/onnx/external_locations.h"
#include "loader/onnx/message_rewriter.h"
#include "loader/onnx/tensor_reader.h"
#include "loader/open_regular.h"
#include "loader/tensor_difference.h"
#include "runtime/core/error.h"

namespace vulcap::onnx {
namespace {

namespace fs = std::filesystem;
namespace proto = ::onnx;
using core::ErrorCode;
using proto::TensorProto;

// The key of the entry that holds a tensor's index while its content is outside of the message.
constexpr const char* kIndexKey = "vulcap.tensor";

std::string index_fields(size_t index) {
  using Entry = proto::StringStringEntryProto;
  return wire_text(TensorProto::kExternalDataFieldNumber,
                   wire_text(Entry::kKeyFieldNumber, kIndexKey) +
                       wire_text(Entry::kValueFieldNumber, std::to_string(index))) +
         wire_number(TensorProto::kDataLocationFieldNumber, TensorProto::EXTERNAL);
}

std::optional<size_t> index_in(WireReader message) {
  while (message.next()) {
    if (message.field() != TensorProto::kExternalDataFieldNumber) continue;
    const auto [key, value] = read_string_entry(message.message());
    if (key == kIndexKey) return std::stoull(value);
  }
  return std::nullopt;
}

std::optional<size_t> index_in(const TensorProto& message) {
  for (const auto& entry : message.external_data())
    if (entry.key() == kIndexKey) return std::stoull(entry.value());
  return std::nullopt;
}

bool holds_strings(WireReader message) {
  while (message.next())
    if (message.field() == TensorProto::kDataTypeFieldNumber)
      return message.integer() == int64_t(TensorProto::STRING);
  return false;
}

// Equal for equal contents.
std::pair<size_t, size_t> content_key(const core::Tensor& tensor) {
  constexpr size_t kRead = 4096;
  const std::string_view text(reinterpret_cast<const char*>(tensor.bytes().data()),
                              std::min(kRead, tensor.bytes().size()));
  return {tensor.bytes().size(), std::hash<std::string_view>()(text)};
}

}  // namespace

EditableModel EditableModel::read(const fs::path& path) {
  EditableModel model;
  const auto file = loader::open_regular(path);
  model.sources_ = model_files(path);
  try {
    TensorReader tensors(file, TensorReader::Alignment::kAny);
    const Rope slim = rewrite_message(WireReader(file->bytes()),
                                      [&](WireReader message, const std::string&) -> std::optional<Rope> {
                                        if (holds_strings(message)) return std::nullopt;
                                        Rope rope = tensor_head(message);
                                        rope.add(index_fields(model.tensors_.size()));
                                        model.tensors_.push_back(tensors.read(message).tensor);
                                        return rope;
                                      });
    if (!model.proto_.ParseFromString(slim.text()) || !model.proto_.has_graph())
      fail("is not an ONNX model, or is damaged; download it again");
  } catch (core::Error& error) {
    throw error.add_context(path.string());
  }
  return model;
}

const core::Tensor& EditableModel::stored(const TensorProto& message) const {
  const std::optional<size_t> index = index_in(message);
  if (!index || *index >= tensors_.size())
    throw core::Error(ErrorCode::kInvalidModel,
                      "tensor " + quote(message.name()) + ": its content cannot be read");
  return tensors_[*index];
}

core::Tensor EditableModel::tensor(const TensorProto& message) const {
  const core::Tensor& tensor = stored(message);
  const size_t alignment = std::max<size_t>(1, core::dtype_bits(tensor.dtype()) / 8);
  if (reinterpret_cast<uintptr_t>(tensor.bytes().data()) % alignment == 0) return tensor;
  core::Tensor aligned(tensor.dtype(), tensor.shape());
  std::memcpy(aligned.mutable_bytes().data(), tensor.bytes().data(), tensor.bytes().size());
  return aligned;
}

void EditableModel::set_tensor(TensorProto& message, core::Tensor tensor) {
  const std::string name = message.name();
  const std::string index = index_fields(tensors_.size());
  message.Clear();
  message.MergeFromString(index);
  message.set_name(name);
  message.set_data_type(int32_t(tensor.dtype()));  // core::DType has ONNX's numbers
  for (const int64_t dim : tensor.shape()) message.add_dims(dim);
  tensors_.push_back(std::move(tensor));
}

size_t EditableModel::share_equal() {
  std::map<std::pair<size_t, size_t>, std::vector<size_t>> firsts;  // of equal ones, by content_key
  size_t spared = 0;
  for (size_t index = 0; index < tensors_.size(); ++index) {
    core::Tensor& tensor = tensors_[index];
    if (tensor.bytes().empty()) continue;
    std::vector<size_t>& candidates = firsts[content_key(tensor)];
    const auto first = std::find_if(candidates.begin(), candidates.end(), [&](size_t candidate) {
      return loader::equal_content(tensors_[candidate], tensor);
    });
    if (first == candidates.end()) {
      candidates.push_back(index);
    } else if (tensors_[*first].bytes().data() != tensor.bytes().data()) {
      spared += tensor.bytes().size();
      tensor = tensors_[*first].reinterpreted(tensor.dtype(), tensor.shape());
    }
  }
  return spared;
}

// The tensors of the model on their way into files.
class EditableModel::Writer {
 public:
  Writer(const EditableModel& model, const WriteOptions& options, std::string data_name, bool external)
      : model_(model), options_(options), data_name_(std::move(data_name)), external_(external) {}

  std::optional<Rope> tensor(WireReader message) {
    const std::optional<size_t> index = index_in(message);
    if (!index) return std::nullopt;
    const core::Tensor& tensor = model_.tensors_.at(*index);
    Rope rope = tensor_head(message);
    if (external_ && tensor.bytes().size() >= options_.large_tensor) {
      rope.add(shard_for(tensor.bytes()).put(tensor.bytes(), tensor.file_backed()));
    } else {
      rope.add(wire_header(TensorProto::kRawDataFieldNumber, tensor.bytes().size()));
      rope.add(tensor.bytes(), tensor.file_backed());
    }
    return rope;
  }

  const std::vector<DataFile>& data() const { return data_; }

 private:
  DataFile& shard_for(Bytes bytes) {
    for (DataFile& file : data_)
      if (file.holds(bytes)) return file;
    const bool full = !data_.empty() && (bytes.size() > options_.shard_bytes ||
                                         data_.back().content().size() > options_.shard_bytes - bytes.size());
    if (data_.empty() || full)
      data_.emplace_back(data_name_ + (data_.empty() ? "" : "_" + std::to_string(data_.size())),
                         options_.alignment);
    return data_.back();
  }

  const EditableModel& model_;
  const WriteOptions& options_;
  std::string data_name_;
  bool external_;
  std::vector<DataFile> data_;
};

void EditableModel::write(const fs::path& out, const WriteOptions& options) const {
  const std::string data_name =
      options.data_name.empty() ? out.filename().string() + ".data" : options.data_name;
  const std::string text = proto_.SerializeAsString();
  std::optional<Writer> writer;
  const auto compose = [&](bool external) {
    writer.emplace(*this, options, data_name, external);
    return rewrite_message(WireReader(std::as_bytes(std::span(text))),
                           [&](WireReader message, const std::string&) { return writer->tensor(message); });
  };
  const bool may_move = options.external != ExternalData::kNone;
  const bool was_external = sources_.size() > 1;
  Rope rope = compose(options.external == ExternalData::kAll || (may_move && was_external));
  if (rope.size() > options.inline_limit && may_move) rope = compose(true);
  if (rope.size() > options.inline_limit)
    throw core::Error(ErrorCode::kUsage, out.string() + ": would be " + std::to_string(rope.size()) +
                                             " bytes, more than " + std::to_string(options.inline_limit) +
                                             "; keep the weights in external data");
  for (const fs::path& source : sources_) {
    refuse_same_file(source, out);
    for (const DataFile& data : writer->data()) refuse_same_file(source, out.parent_path() / data.location());
  }
  write_model_files(out, rope, writer->data());
}

}  // namespace vulcap::onnx
