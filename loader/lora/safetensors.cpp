#include "loader/lora/safetensors.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "loader/open_regular.h"
#include "runtime/core/error.h"
#include "runtime/core/mapped_file.h"

namespace vulcap::lora {
namespace {

using core::DType;
using nlohmann::json;

constexpr uint64_t kLongestHeader = 100'000'000;  // the limit of the reference reader
constexpr size_t kMaxRank = 32;
constexpr int kMaxDepth = 8;

[[noreturn]] void fail(const std::string& what) { throw core::Error(core::ErrorCode::kInvalidModel, what); }

DType dtype_of(const std::string& name) {
  static const std::map<std::string, DType> table = {
      {"F64", DType::kF64},       {"F32", DType::kF32},
      {"F16", DType::kF16},       {"BF16", DType::kBF16},
      {"I64", DType::kI64},       {"I32", DType::kI32},
      {"I16", DType::kI16},       {"I8", DType::kI8},
      {"U64", DType::kU64},       {"U32", DType::kU32},
      {"U16", DType::kU16},       {"U8", DType::kU8},
      {"BOOL", DType::kBool},     {"F8_E4M3", DType::kF8E4M3FN},
      {"F8_E5M2", DType::kF8E5M2}};
  const auto found = table.find(name);
  if (found == table.end()) fail("dtype '" + name + "' is not supported");
  return found->second;
}

struct Range {
  uint64_t begin = 0, end = 0;
};

struct Entry {
  std::string name;
  DType dtype = DType::kUndefined;
  core::Shape shape;
  Range range;
};

std::vector<uint64_t> read_numbers(const json& entry, const char* field) {
  if (!entry.contains(field) || !entry[field].is_array()) fail(std::string(field) + " must be a list");
  std::vector<uint64_t> numbers;
  for (const json& item : entry[field]) {
    if (!item.is_number_unsigned() || item.get<uint64_t>() > uint64_t(INT64_MAX))
      fail(std::string(field) + " must hold numbers from 0 to 2^63");
    numbers.push_back(item.get<uint64_t>());
  }
  return numbers;
}

Entry read_entry(const std::string& name, const json& item) {
  if (!item.is_object()) fail("its description must be an object");
  for (const auto& field : item.items()) {
    if (field.key() != "dtype" && field.key() != "shape" && field.key() != "data_offsets")
      fail("field '" + field.key() + "' is not part of the format");
  }
  if (!item.contains("dtype") || !item["dtype"].is_string()) fail("dtype must be a string");
  Entry entry{name, dtype_of(item["dtype"].get<std::string>()), {}, {}};
  const std::vector<uint64_t> dims = read_numbers(item, "shape");
  if (dims.size() > kMaxRank) fail("has " + std::to_string(dims.size()) + " dims");
  entry.shape.assign(dims.begin(), dims.end());
  const std::vector<uint64_t> offsets = read_numbers(item, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1]) fail("data_offsets must be [begin, end]");
  entry.range = {offsets[0], offsets[1]};
  const size_t size = core::dtype_bytes(entry.dtype, core::element_count(entry.shape));
  if (offsets[1] - offsets[0] != size) {
    fail("shape " + core::shape_text(entry.shape) + " of " + std::string(core::dtype_name(entry.dtype)) +
         " needs " + std::to_string(size) + " bytes but data_offsets span " +
         std::to_string(offsets[1] - offsets[0]));
  }
  return entry;
}

json parse_header(std::string_view text) {
  if (!text.starts_with("{")) fail("the header is not JSON; not a safetensors file, or damaged");
  try {
    return json::parse(text, [](int depth, json::parse_event_t, json&) {
      if (depth > kMaxDepth) fail("the header nests too deeply");
      return true;
    });
  } catch (const json::exception&) {
    fail("the header is not valid JSON; not a safetensors file, or damaged");
  }
}

// Sorted by place, one behind the other up to the end of the data.
std::vector<Entry> read_entries(const json& header, uint64_t data_bytes) {
  std::vector<Entry> entries;
  for (const auto& item : header.items()) {
    if (item.key() == "__metadata__") continue;
    try {
      entries.push_back(read_entry(item.key(), item.value()));
    } catch (core::Error& error) {
      error.add_context("tensor '" + item.key() + "'");
      throw;
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.range.begin, a.range.end) < std::pair(b.range.begin, b.range.end);
  });
  uint64_t at = 0;
  for (const Entry& entry : entries) {
    if (entry.range.begin != at) {
      fail("tensor '" + entry.name + "' begins at byte " + std::to_string(entry.range.begin) +
           " of the data, the one before it ends at " + std::to_string(at) + "; damaged");
    }
    at = entry.range.end;
  }
  if (at != data_bytes) {
    fail("the tensors take " + std::to_string(at) + " bytes but the file holds " +
         std::to_string(data_bytes) + "; a truncated download?");
  }
  return entries;
}

core::Tensor place(const Entry& entry, std::shared_ptr<const core::MappedFile> file,
                   std::span<const std::byte> bytes) {
  const size_t alignment = std::max<size_t>(1, core::dtype_bits(entry.dtype) / 8);
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignment == 0)
    return core::Tensor(entry.dtype, entry.shape, bytes, std::move(file), true);
  core::Tensor copy(entry.dtype, entry.shape);
  std::memcpy(copy.mutable_bytes().data(), bytes.data(), bytes.size());
  return copy;
}

std::map<std::string, core::Tensor> read(const std::shared_ptr<const core::MappedFile>& file) {
  const auto bytes = file->bytes();
  uint64_t length = 0;
  if (bytes.size() < sizeof length) fail("is too short for a safetensors file");
  std::memcpy(&length, bytes.data(), sizeof length);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("version https://git-lfs")) fail("is a Git LFS pointer; run git lfs pull");
  if (length > kLongestHeader || length > bytes.size() - sizeof length) {
    fail("announces a header of " + std::to_string(length) + " bytes; not a safetensors file, or truncated");
  }
  const auto data = bytes.subspan(sizeof length + size_t(length));
  std::map<std::string, core::Tensor> tensors;
  for (const Entry& entry : read_entries(parse_header(text.substr(sizeof length, length)), data.size())) {
    const auto range = data.subspan(entry.range.begin, entry.range.end - entry.range.begin);
    tensors.emplace(entry.name, place(entry, file, range));
  }
  return tensors;
}

}  // namespace

std::map<std::string, core::Tensor> read_safetensors(const std::filesystem::path& path) {
  const auto file = loader::open_regular(path);
  try {
    return read(file);
  } catch (core::Error& error) {
    error.add_context(path.string());
    throw;
  }
}

}  // namespace vulcap::lora
