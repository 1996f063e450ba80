#include "loader/onnx/tensor_reader.h"

#include <onnx/onnx.pb.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "runtime/core/error.h"

namespace vulcap::onnx {
namespace {

using core::DType;
using Proto = ::onnx::TensorProto;

int64_t parse_integer(const std::string& key, const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail("external data: " + key + " is " + quote(text) + ", not a number");
  }
  return value;
}

void read_external_entry(WireReader reader, ExternalRange& range) {
  const auto [key, value] = read_string_entry(reader);
  if (key == "location") range.location = value;
  if (key == "offset") range.offset = parse_integer(key, value);
  if (key == "length") range.length = parse_integer(key, value);
}

// Takes over `values`; they must already be of the dtype's width.
template <typename T>
core::Tensor adopt(DType dtype, const core::Shape& shape, std::vector<T> values) {
  const size_t count = core::element_count(shape);
  const size_t expected = core::dtype_bytes(dtype, count) / sizeof(T);
  if (values.size() != expected) {
    fail("dims " + core::shape_text(shape) + " need " + std::to_string(expected) + " values but " +
         std::to_string(values.size()) + " are stored");
  }
  auto owner = std::make_shared<std::vector<T>>(std::move(values));
  const auto bytes = std::as_bytes(std::span<const T>(*owner));
  return core::Tensor(dtype, shape, bytes, owner, false);
}

template <typename T>
core::Tensor adopt_narrow(DType dtype, const core::Shape& shape, const std::vector<int32_t>& values) {
  return adopt(dtype, shape, std::vector<T>(values.begin(), values.end()));
}

// The field of TensorProto in which each dtype keeps its values follows the comments of onnx.proto.
core::Tensor from_int32_data(DType dtype, const core::Shape& shape, std::vector<int32_t>& values) {
  switch (core::dtype_bits(dtype)) {
    case 32:
      return adopt(dtype, shape, std::move(values));
    case 16:
      return adopt_narrow<uint16_t>(dtype, shape, values);
    default:
      return adopt_narrow<uint8_t>(dtype, shape, values);
  }
}

// In pieces, so that a large tensor is never resident twice.
void copy_and_release(Bytes from, std::byte* to) {
  constexpr size_t kPiece = size_t(8) << 20;
  for (size_t at = 0; at < from.size(); at += kPiece) {
    const Bytes piece = from.subspan(at, std::min(kPiece, from.size() - at));
    std::memcpy(to + at, piece.data(), piece.size());
    core::MappedFile::release_pages(piece);
  }
}

size_t alignment_of(DType dtype) { return std::max<size_t>(1, core::dtype_bits(dtype) / 8); }

}  // namespace

struct TensorReader::Fields {
  std::string name;
  int64_t data_type = 0;
  core::Shape dims;
  std::optional<Bytes> raw;
  bool is_external = false;
  ExternalRange external;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int32_t> int32s;
  std::vector<int64_t> int64s;
  std::vector<uint64_t> uint64s;

  void read(const WireReader& reader);
};

void TensorReader::Fields::read(const WireReader& reader) {
  switch (reader.field()) {
    case Proto::kDimsFieldNumber:
      return reader.append_varints(dims);
    case Proto::kDataTypeFieldNumber:
      data_type = reader.integer();
      return;
    case Proto::kFloatDataFieldNumber:
      return reader.append_fixed(floats);
    case Proto::kDoubleDataFieldNumber:
      return reader.append_fixed(doubles);
    case Proto::kInt32DataFieldNumber:
      return reader.append_varints(int32s);
    case Proto::kInt64DataFieldNumber:
      return reader.append_varints(int64s);
    case Proto::kUint64DataFieldNumber:
      return reader.append_varints(uint64s);
    case Proto::kNameFieldNumber:
      name = reader.text();
      return;
    case Proto::kRawDataFieldNumber:
      raw = reader.bytes();
      return;
    case Proto::kExternalDataFieldNumber:
      return read_external_entry(reader.message(), external);
    case Proto::kDataLocationFieldNumber:
      is_external = reader.integer() == Proto::EXTERNAL;
      return;
    case Proto::kSegmentFieldNumber:
      fail("segmented tensors are not supported");
    default:
      return;
  }
}

DType dtype_of(int64_t data_type) {
  const auto dtype = DType(data_type);
  if (data_type < 0 || data_type > 255 || core::dtype_name(dtype) == core::dtype_name(DType::kUndefined)) {
    fail("data type " + std::to_string(data_type) + " of onnx.proto is not supported");
  }
  return dtype;
}

core::Tensor TensorReader::place(DType dtype, const core::Shape& shape, MappedRange range) {
  const size_t alignment = alignment_ == Alignment::kAny ? 1 : alignment_of(dtype);
  if (reinterpret_cast<uintptr_t>(range.bytes.data()) % alignment == 0) {
    return core::Tensor(dtype, shape, range.bytes, std::move(range.file), true);
  }
  const size_t size = range.bytes.size();
  auto copy = std::make_shared_for_overwrite<std::byte[]>(size);
  copy_and_release(range.bytes, copy.get());
  copied_bytes_ += size;
  const Bytes view(copy.get(), size);
  return core::Tensor(dtype, shape, view, std::move(copy), false);
}

core::Tensor TensorReader::build(Fields& fields) {
  const DType dtype = dtype_of(fields.data_type);
  if (fields.dims.size() > kMaxRank) fail("has " + std::to_string(fields.dims.size()) + " dims");
  const size_t count = core::element_count(fields.dims);
  if (dtype == DType::kString) return core::Tensor(dtype, fields.dims);
  const size_t size = core::dtype_bytes(dtype, count);
  if (fields.is_external && size > 0) {
    return place(dtype, fields.dims, external_.map(fields.external, size));
  }
  if (fields.raw) {
    if (fields.raw->size() != size) {
      fail("dims " + core::shape_text(fields.dims) + " of " + std::string(core::dtype_name(dtype)) +
           " need " + std::to_string(size) + " bytes but " + std::to_string(fields.raw->size()) +
           " are stored");
    }
    return place(dtype, fields.dims, {file_, *fields.raw});
  }
  switch (dtype) {
    case DType::kF32:
      return adopt(dtype, fields.dims, std::move(fields.floats));
    case DType::kF64:
      return adopt(dtype, fields.dims, std::move(fields.doubles));
    case DType::kI64:
      return adopt(dtype, fields.dims, std::move(fields.int64s));
    case DType::kU64:
      return adopt(dtype, fields.dims, std::move(fields.uint64s));
    case DType::kU32:
      return adopt(dtype, fields.dims, std::vector<uint32_t>(fields.uint64s.begin(), fields.uint64s.end()));
    default:
      return from_int32_data(dtype, fields.dims, fields.int32s);
  }
}

Initializer TensorReader::read(WireReader message) {
  Fields fields;
  try {
    while (message.next()) fields.read(message);
    core::Tensor tensor = build(fields);
    return {std::move(fields.name), std::move(tensor)};
  } catch (core::Error& error) {
    error.add_context("tensor " + quote(fields.name));
    throw;
  }
}

std::pair<std::string, std::string> read_string_entry(WireReader message) {
  using Entry = ::onnx::StringStringEntryProto;
  std::pair<std::string, std::string> entry;
  while (message.next()) {
    if (message.field() == Entry::kKeyFieldNumber) entry.first = message.text();
    if (message.field() == Entry::kValueFieldNumber) entry.second = message.text();
  }
  return entry;
}

std::string read_tensor_name(WireReader message) {
  std::string name;
  while (message.next()) {
    if (message.field() == Proto::kNameFieldNumber) name = message.text();
  }
  return name;
}

}  // namespace vulcap::onnx
