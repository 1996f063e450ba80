#include "loader/onnx/model_writer.h"

#include <onnx/onnx.pb.h>

#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "loader/new_file.h"
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
constexpr size_t kDataAlignment = 64;

bool holds_data(uint32_t field) {
  switch (field) {
    case TensorProto::kFloatDataFieldNumber:
    case TensorProto::kInt32DataFieldNumber:
    case TensorProto::kStringDataFieldNumber:
    case TensorProto::kInt64DataFieldNumber:
    case TensorProto::kRawDataFieldNumber:
    case TensorProto::kDoubleDataFieldNumber:
    case TensorProto::kUint64DataFieldNumber:
    case TensorProto::kExternalDataFieldNumber:
    case TensorProto::kDataLocationFieldNumber:
      return true;
    default:
      return false;
  }
}

struct TensorHead {
  std::optional<std::string> location;  // of external data
  size_t raw_bytes = 0;
};

TensorHead read_head(WireReader message) {
  TensorHead head;
  std::string location;
  while (message.next()) {
    if (message.field() == TensorProto::kRawDataFieldNumber) head.raw_bytes = message.bytes().size();
    if (message.field() == TensorProto::kExternalDataFieldNumber) {
      const auto [key, value] = read_string_entry(message.message());
      if (key == "location") location = value;
    }
    if (message.field() == TensorProto::kDataLocationFieldNumber &&
        message.integer() == TensorProto::EXTERNAL)
      head.location = "";
  }
  if (head.location) head.location = location;
  return head;
}

// Rewritten messages; nullopt stands for one that stays as it is.
class Rewriter {
 public:
  // `location` names the data file beside the new model.
  Rewriter(std::shared_ptr<const core::MappedFile> file, const TensorEdits& edits, std::string location,
           bool all_external)
      : tensors_(std::move(file)),
        edits_(edits),
        location_(std::move(location)),
        all_external_(all_external) {}

  Rope model(WireReader reader) {
    Rope rope;
    while (reader.next()) {
      const bool is_graph = reader.field() == proto::ModelProto::kGraphFieldNumber;
      const bool is_function = reader.field() == proto::ModelProto::kFunctionsFieldNumber;
      put(rope, reader,
          is_graph      ? graph(reader.message(), "")
          : is_function ? function(reader.message())
                        : std::nullopt);
    }
    return rope;
  }

  const Rope& data() const { return data_; }
  // External files that the model reads.
  const std::set<std::string>& locations() const { return locations_; }

 private:
  static void put(Rope& rope, const WireReader& reader, std::optional<Rope> changed) {
    if (changed) return rope.add_field(reader.field(), std::move(*changed));
    rope.add(reader.field_bytes());
  }

  std::optional<Rope> graph(WireReader reader, const std::string& place) {
    Rope rope;
    bool any = false;
    while (reader.next()) {
      std::optional<Rope> changed;
      if (reader.field() == proto::GraphProto::kNodeFieldNumber) changed = node(reader.message(), place);
      if (reader.field() == proto::GraphProto::kInitializerFieldNumber)
        changed = tensor(reader.message(), place + read_tensor_name(reader.message()));
      any |= changed.has_value();
      put(rope, reader, std::move(changed));
    }
    return any ? std::optional(std::move(rope)) : std::nullopt;
  }

  // Its tensors cannot be edited but may lie outside the file.
  std::optional<Rope> function(WireReader reader) {
    Rope rope;
    bool any = false;
    while (reader.next()) {
      std::optional<Rope> changed;
      if (reader.field() == proto::FunctionProto::kNodeFieldNumber)
        changed = node(reader.message(), std::string(1, '\0'));
      any |= changed.has_value();
      put(rope, reader, std::move(changed));
    }
    return any ? std::optional(std::move(rope)) : std::nullopt;
  }

  std::optional<Rope> node(WireReader reader, const std::string& place) {
    std::optional<std::string> output;
    for (WireReader ahead = reader; ahead.next();) {
      if (ahead.field() == proto::NodeProto::kOutputFieldNumber && !output) output = ahead.text();
    }
    Rope rope;
    bool any = false;
    while (reader.next()) {
      std::optional<Rope> changed;
      if (reader.field() == proto::NodeProto::kAttributeFieldNumber)
        changed = attribute(reader.message(), place, output.value_or(""));
      any |= changed.has_value();
      put(rope, reader, std::move(changed));
    }
    return any ? std::optional(std::move(rope)) : std::nullopt;
  }

  std::optional<Rope> attribute(WireReader reader, const std::string& place, const std::string& output) {
    using Proto = proto::AttributeProto;
    std::string name;
    for (WireReader ahead = reader; ahead.next();) {
      if (ahead.field() == Proto::kNameFieldNumber) name = ahead.text();
    }
    Rope rope;
    bool any = false;
    while (reader.next()) {
      std::optional<Rope> changed;
      const uint32_t field = reader.field();
      if (field == Proto::kTFieldNumber || field == Proto::kTensorsFieldNumber)
        changed = tensor(reader.message(), place + output);
      if (field == Proto::kGFieldNumber || field == Proto::kGraphsFieldNumber)
        changed = graph(reader.message(), place_of_subgraph(place, output, name));
      any |= changed.has_value();
      put(rope, reader, std::move(changed));
    }
    return any ? std::optional(std::move(rope)) : std::nullopt;
  }

  std::optional<Rope> tensor(WireReader message, const std::string& place) {
    const auto edit = edits_.find(place);
    const TensorHead head = read_head(message);
    const bool moves = head.location || (all_external_ && head.raw_bytes >= kLargeTensor);
    if (edit == edits_.end() && !moves) return std::nullopt;
    if (head.location) locations_.insert(*head.location);
    kept_.push_back(edit == edits_.end() ? tensors_.read(message).tensor : edit->second);
    const Bytes bytes = kept_.back().bytes();
    Rope rope;
    while (message.next()) {
      if (!holds_data(message.field())) rope.add(message.field_bytes());
    }
    if (moves && !bytes.empty()) {
      rope.add(put_outside(bytes));
    } else {
      rope.add(wire_header(TensorProto::kRawDataFieldNumber, bytes.size()));
      rope.add(bytes);
    }
    return rope;
  }

  // Appends to the data file; the fields that say where.
  std::string put_outside(Bytes bytes) {
    data_.add(std::string((kDataAlignment - data_.size() % kDataAlignment) % kDataAlignment, '\0'));
    const auto entry = [](const std::string& key, const std::string& value) {
      using Entry = proto::StringStringEntryProto;
      return wire_text(TensorProto::kExternalDataFieldNumber,
                       wire_text(Entry::kKeyFieldNumber, key) + wire_text(Entry::kValueFieldNumber, value));
    };
    std::string fields = entry("location", location_) + entry("offset", std::to_string(data_.size())) +
                         entry("length", std::to_string(bytes.size()));
    data_.add(bytes);
    return fields + wire_number(TensorProto::kDataLocationFieldNumber, TensorProto::EXTERNAL);
  }

  TensorReader tensors_;
  const TensorEdits& edits_;
  std::string location_;
  bool all_external_;
  std::vector<core::Tensor> kept_;
  Rope data_;
  std::set<std::string> locations_;
};

void write_rope(loader::NewFile& file, const Rope& rope) {
  constexpr size_t kPiece = size_t(8) << 20;
  for (const Bytes piece : rope.pieces()) {
    for (size_t at = 0; at < piece.size(); at += kPiece)
      file.write(piece.subspan(at, std::min(kPiece, piece.size() - at)));
  }
}

void refuse_same(const fs::path& read, const fs::path& written) {
  std::error_code ignored;
  if (!fs::equivalent(read, written, ignored)) return;
  throw core::Error(core::ErrorCode::kUsage, written.string() +
                                                 ": is a file of the model that is read; give the result "
                                                 "another name or folder");
}

}  // namespace

std::string place_of_subgraph(const std::string& place, const std::string& first_output,
                              const std::string& attribute) {
  return place + first_output + '\n' + attribute + '\n';
}

void rewrite_model(const fs::path& model, const TensorEdits& edits, const fs::path& out,
                   size_t inline_limit) {
  const fs::path data_path = out.string() + ".data";
  const auto file = loader::open_regular(model);
  refuse_same(model, out);
  try {
    auto rewriter = std::make_unique<Rewriter>(file, edits, data_path.filename().string(), false);
    Rope rope = rewriter->model(WireReader(file->bytes()));
    if (rope.size() > inline_limit) {
      rewriter = std::make_unique<Rewriter>(file, edits, data_path.filename().string(), true);
      rope = rewriter->model(WireReader(file->bytes()));
    }
    for (const std::string& location : rewriter->locations())
      refuse_same(model.parent_path() / location, data_path);
    loader::NewFile target(out);
    write_rope(target, rope);
    if (rewriter->data().size() > 0) {
      loader::NewFile data(data_path);
      write_rope(data, rewriter->data());
      data.commit();
    }
    target.commit();
  } catch (core::Error& error) {
    if (error.code() == core::ErrorCode::kInvalidModel) error.add_context(model.string());
    throw;
  }
}

}  // namespace vulcap::onnx
