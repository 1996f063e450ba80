#include "loader/npy.h"

#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "loader/open_regular.h"
#include "runtime/core/error.h"
#include "runtime/core/mapped_file.h"

namespace vulcap::loader {
namespace {

using core::DType;

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxRank = 32;

constexpr std::array<std::pair<std::string_view, DType>, 15> kDescriptors = {{
    {"<f4", DType::kF32},
    {"<f2", DType::kF16},
    {"<f8", DType::kF64},
    {"<i8", DType::kI64},
    {"<i4", DType::kI32},
    {"<i2", DType::kI16},
    {"|i1", DType::kI8},
    {"<u8", DType::kU64},
    {"<u4", DType::kU32},
    {"<u2", DType::kU16},
    {"|u1", DType::kU8},
    {"|b1", DType::kBool},
    {"<i1", DType::kI8},
    {"<u1", DType::kU8},
    {"<b1", DType::kBool},
}};

[[noreturn]] void fail(const std::string& message) {
  throw core::Error(core::ErrorCode::kInvalidModel, message);
}

// The text after `key` and its colon in the header, a Python dict literal.
std::string_view header_value(std::string_view header, std::string_view key) {
  const size_t at = header.find("'" + std::string(key) + "'");
  const size_t colon = at == std::string_view::npos ? at : header.find(':', at);
  if (colon == std::string_view::npos) fail("damaged .npy header (no " + std::string(key) + ")");
  const size_t begin = header.find_first_not_of(' ', colon + 1);
  if (begin == std::string_view::npos) fail("damaged .npy header (no value of " + std::string(key) + ")");
  return header.substr(begin);
}

DType read_dtype(std::string_view value) {
  for (const auto& [descriptor, dtype] : kDescriptors) {
    if (value.size() > 4 && value.substr(1, 3) == descriptor && value[4] == value[0]) return dtype;
  }
  fail("unsupported .npy dtype (little-endian floats, integers and bool are read)");
}

core::Shape read_shape(std::string_view value) {
  const size_t close = value.find(')');
  if (value[0] != '(' || close == std::string_view::npos) fail("damaged .npy header (shape)");
  core::Shape shape;
  const char* at = value.data() + 1;
  const char* const end = value.data() + close;
  while (at < end) {
    int64_t dim = 0;
    const auto [after, error] = std::from_chars(at, end, dim);
    if (error != std::errc() || dim < 0 || shape.size() == kMaxRank) fail("damaged .npy header (shape)");
    shape.push_back(dim);
    for (at = after; at < end && (*at == ',' || *at == ' ');) ++at;
  }
  return shape;
}

// Offset and length of the header text.
std::pair<size_t, size_t> header_range(std::string_view text) {
  if (!text.starts_with(kMagic) || text.size() < 10) fail("is not a .npy file");
  const auto byte = [&](size_t at) { return size_t(uint8_t(text[at])); };
  const size_t version = byte(6);
  if (version < 1 || version > 3) fail("unknown .npy version " + std::to_string(version));
  const size_t start = version == 1 ? 10 : 12;
  if (text.size() < start) fail("truncated .npy header");
  size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > text.size() - start) fail("truncated .npy header");
  return {start, length};
}

core::Tensor parse(const std::shared_ptr<const core::MappedFile>& file) {
  const auto bytes = file->bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto [start, length] = header_range(text);
  const std::string_view header = text.substr(start, length);
  const DType dtype = read_dtype(header_value(header, "descr"));
  if (!header_value(header, "fortran_order").starts_with("False")) fail("Fortran order is not supported");
  const core::Shape shape = read_shape(header_value(header, "shape"));
  const size_t size = core::dtype_bytes(dtype, core::element_count(shape));
  const auto data = bytes.subspan(start + length);
  if (data.size() != size) {
    fail("shape " + core::shape_text(shape) + " needs " + std::to_string(size) + " bytes but " +
         std::to_string(data.size()) + " are there");
  }
  if (size > 0 && reinterpret_cast<uintptr_t>(data.data()) % (core::dtype_bits(dtype) / 8) == 0) {
    return core::Tensor(dtype, shape, data, file, true);
  }
  core::Tensor copy(dtype, shape);
  if (size > 0) std::memcpy(copy.mutable_bytes().data(), data.data(), size);
  return copy;
}

std::string header_text(const core::Tensor& tensor) {
  std::string_view descriptor;
  for (const auto& [name, dtype] : kDescriptors) {
    if (dtype == tensor.dtype() && descriptor.empty()) descriptor = name;
  }
  if (descriptor.empty()) fail("NumPy has no dtype " + std::string(core::dtype_name(tensor.dtype())));
  std::string header = "{'descr': '" + std::string(descriptor) + "', 'fortran_order': False, 'shape': (";
  for (int64_t dim : tensor.shape()) header += std::to_string(dim) + ",";
  header += "), }";
  constexpr size_t kAlignment = 64;
  const size_t used = kMagic.size() + 4 + header.size() + 1;
  return header + std::string((kAlignment - used % kAlignment) % kAlignment, ' ') + "\n";
}

}  // namespace

core::Tensor read_npy(const std::filesystem::path& path) {
  const auto file = open_regular(path);
  try {
    return parse(file);
  } catch (core::Error& error) {
    error.add_context(path.string());
    throw;
  }
}

void write_npy(const std::filesystem::path& path, const core::Tensor& tensor) {
  const std::string header = header_text(tensor);
  std::string start(kMagic);
  start += {'\x01', '\x00', char(header.size() & 0xff), char(header.size() >> 8)};
  std::ofstream out(path, std::ios::binary);
  out << start << header;
  const auto bytes = tensor.bytes();
  out.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  out.close();
  if (!out) throw core::Error(core::ErrorCode::kRuntime, path.string() + ": cannot be written");
}

}  // namespace vulcap::loader
