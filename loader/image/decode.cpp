#include "loader/image/decode.h"

#include <algorithm>
#include <fstream>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "loader/image/codecs.h"
#include "runtime/core/error.h"

namespace vulcap::image {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kSniffBytes = 32;

struct Signature {
  std::size_t offset;
  std::string_view magic;
  std::string_view what;
};

constexpr Signature kOtherFormats[] = {
    {0, "GIF8"sv, "a GIF image"},
    {8, "WEBP"sv, "a WebP image"},
    {0, "BM"sv, "a BMP image"},
    {0, "II*\0"sv, "a TIFF image"},
    {0, "MM\0*"sv, "a TIFF image"},
    {4, "ftypavif"sv, "an AVIF image"},
    {4, "ftyphei"sv, "a HEIC image"},
    {4, "ftypmif1"sv, "a HEIC image"},
    {0, "\0\0\0\x0cjP  "sv, "a JPEG 2000 image"},
    {0, "\xff\x0a"sv, "a JPEG XL image"},
    {0, "%PDF"sv, "a PDF document"},
    {0, "PK\x03\x04"sv, "a ZIP archive"},
    {0,
     "\x7f"
     "ELF"sv,
     "a program"},
};

bool has_magic(std::string_view head, std::size_t offset, std::string_view magic) {
  return head.size() >= offset && head.substr(offset).starts_with(magic);
}

bool is_png(std::string_view head) { return has_magic(head, 0, "\x89PNG\r\n\x1a\n"sv); }

bool is_jpeg(std::string_view head) { return has_magic(head, 0, "\xff\xd8\xff"sv); }

bool is_text(std::string_view head) {
  return std::all_of(head.begin(), head.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u == '\t' || u == '\n' || u == '\r' || (u >= 0x20 && u != 0x7f);
  });
}

std::string describe(std::string_view head) {
  const bool text = is_text(head);
  for (const Signature& s : kOtherFormats) {
    const bool could_be_prose = text && s.magic.size() < 4;
    if (!could_be_prose && has_magic(head, s.offset, s.magic)) return "it is " + std::string(s.what);
  }
  if (text) return "it looks like a text file";
  return "its first bytes match no known image format";
}

void check_format(std::string_view head, std::string_view name) {
  if (head.empty()) fail_decode(name, "the file is empty; expected a PNG or JPEG image");
  if (is_png(head) || is_jpeg(head)) return;
  if ("\x89PNG\r\n\x1a\n"sv.starts_with(head) || "\xff\xd8\xff"sv.starts_with(head)) {
    fail_decode(name, "truncated image of " + std::to_string(head.size()) +
                          " bytes; copy or download the file again");
  }
  fail_decode(name, "not a PNG or JPEG image: " + describe(head) + "; convert it to PNG or JPEG");
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Big-endian; 0 past the end.
std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = offset; i < offset + size; ++i)
    value = value << 8 | (i < bytes.size() ? std::to_integer<std::uint64_t>(bytes[i]) : 0);
  return value;
}

using WidthAndHeight = std::pair<std::uint64_t, std::uint64_t>;

// From the header chunk, which comes first.
WidthAndHeight png_size(std::span<const std::byte> bytes) {
  return {number_at(bytes, 16, 4), number_at(bytes, 20, 4)};
}

// From the first frame header among the segments.
WidthAndHeight jpeg_size(std::span<const std::byte> bytes) {
  std::size_t offset = 2;
  while (offset + 9 <= bytes.size() && number_at(bytes, offset, 1) == 0xff) {
    const std::uint64_t marker = number_at(bytes, offset + 1, 1);
    const bool is_frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (is_frame) return {number_at(bytes, offset + 7, 2), number_at(bytes, offset + 5, 2)};
    offset += marker == 0xff ? 1 : 2 + number_at(bytes, offset + 2, 2);
  }
  return {0, 0};
}

std::string describe_path_problem(const std::filesystem::path& path) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (status.type() == std::filesystem::file_type::not_found) return "no such file";
  if (code) return "cannot open the file: " + code.message();
  if (std::filesystem::is_directory(status)) return "is a folder, not an image file";
  if (!std::filesystem::is_regular_file(status)) return "is not a regular file";
  return "";
}

std::vector<std::byte> read_rest(std::ifstream& in, std::vector<std::byte> bytes, std::string_view name) {
  constexpr std::size_t kChunk = 1 << 20;
  while (in) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kChunk);
    in.read(reinterpret_cast<char*>(bytes.data() + before), kChunk);
    bytes.resize(before + static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) fail_decode(name, "reading the file failed");
  return bytes;
}

}  // namespace

void fail_decode(std::string_view name, const std::string& what) {
  throw core::Error(core::ErrorCode::kRuntime, std::string(name) + ": " + what);
}

void check_dimensions(std::int64_t width, std::int64_t height, std::string_view name,
                      std::int64_t max_pixels) {
  const std::string size = std::to_string(width) + "x" + std::to_string(height) + " pixels";
  if (width <= 0 || height <= 0) fail_decode(name, "an image of " + size + " has no content");
  if (width > max_pixels / height) {
    fail_decode(name, "an image of " + size + " exceeds the limit of " + std::to_string(max_pixels) +
                          " pixels; scale it down first");
  }
}

Image decode_bytes(std::span<const std::byte> bytes, std::string_view name, std::int64_t max_pixels) {
  const std::string_view head = as_text(bytes.first(std::min(bytes.size(), kSniffBytes)));
  check_format(head, name);
  try {
    return is_png(head) ? decode_png(bytes, name, max_pixels) : decode_jpeg(bytes, name, max_pixels);
  } catch (const std::bad_alloc&) {
    fail_decode(name, "not enough memory to decode the image");
  }
}

std::vector<std::byte> read_file(const std::filesystem::path& path, std::string_view name) {
  if (const std::string problem = describe_path_problem(path); !problem.empty()) fail_decode(name, problem);
  std::ifstream in(path, std::ios::binary);
  if (!in) fail_decode(name, "cannot open the file; check its permissions");
  std::vector<std::byte> bytes(kSniffBytes);
  in.read(reinterpret_cast<char*>(bytes.data()), kSniffBytes);
  if (in.bad()) fail_decode(name, "reading the file failed");
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  check_format(as_text(bytes), name);
  return read_rest(in, std::move(bytes), name);
}

Image decode_file(const std::filesystem::path& path) {
  const std::string name = path.string();
  return decode_bytes(read_file(path, name), name);
}

std::uint64_t pixel_bytes(std::span<const std::byte> bytes) {
  const auto [width, height] = is_png(as_text(bytes)) ? png_size(bytes) : jpeg_size(bytes);
  return std::min<std::uint64_t>(width * height, kMaxPixels) * 3;
}

}  // namespace vulcap::image
