#include "loader/image/decode.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "runtime/core/error.h"
#include "tests/image/support.h"

namespace vulcap::image {
namespace {

using test::golden;
using test::read_bytes;

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// The message of the error, or "" where decoding succeeds.
std::string decode_error(std::span<const std::byte> bytes, std::string_view name) {
  try {
    decode_bytes(bytes, name);
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kRuntime);
    return error.message();
  }
  return "";
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << text << "\" lacks \"" << part << "\"";
}

std::vector<std::string> sample_files() {
  std::vector<std::string> files;
  for (const auto& c : test::read_json(golden("images/decode.json"))) files.push_back(c["file"]);
  return files;
}

TEST(Decode, EqualsPillow) {
  const auto cases = test::read_json(golden("images/decode.json"));
  ASSERT_GE(cases.size(), 60u);
  for (const auto& c : cases) {
    SCOPED_TRACE(c["file"].get<std::string>());
    const Image image = decode_file(golden("images") / c["file"].get<std::string>());
    EXPECT_EQ(image.width, c["width"]);
    EXPECT_EQ(image.height, c["height"]);
    ASSERT_EQ(image.rgb.size(), std::size_t{3} * image.width * image.height);
    EXPECT_EQ(test::crc32(std::as_bytes(std::span(image.rgb))), c["crc32"]);
  }
}

TEST(Decode, IgnoresTheFileName) {
  const auto bytes = read_bytes(golden("images/scene_640x427.jpg"));
  EXPECT_EQ(decode_bytes(bytes, "photo.png").width, 640);
}

TEST(Decode, IgnoresBytesAfterTheImage) {
  for (const std::string name : {"gray.jpg", "gray.png"}) {
    auto bytes = read_bytes(golden("images/" + name));
    const Image image = decode_bytes(bytes, name);
    bytes.resize(bytes.size() + 100, std::byte{'z'});
    EXPECT_EQ(decode_bytes(bytes, name).rgb, image.rgb);
  }
}

TEST(Decode, NamesWhatTheFileIs) {
  using namespace std::string_view_literals;
  expect_contains(decode_error(as_bytes("a note, not a picture\n"), "x.png"),
                  "x.png: not a PNG or JPEG image");
  expect_contains(decode_error(as_bytes("a note, not a picture\n"), "x.png"), "text file");
  expect_contains(decode_error(as_bytes("BMW is a car, and this is prose"), "x.png"), "text file");
  expect_contains(decode_error(as_bytes("GIF89a\x01\0\x01\0"sv), "x.png"), "a GIF image");
  expect_contains(decode_error(as_bytes("RIFF\x10\0\0\0WEBPVP8 "sv), "x.png"), "a WebP image");
  expect_contains(decode_error(as_bytes("BM\x10\0\0\0\0\0\0\0"sv), "x.png"), "a BMP image");
  expect_contains(decode_error(as_bytes("II*\0\x08\0\0\0"sv), "x.png"), "a TIFF image");
  expect_contains(decode_error(as_bytes("\0\0\0\x1c"
                                        "ftypheic\0\0\0\0"sv),
                               "x.png"),
                  "a HEIC image");
  expect_contains(decode_error(as_bytes("\x01\x02\x03"sv), "x.png"), "no known image format");
  expect_contains(decode_error(as_bytes(""), "x.png"), "x.png: the file is empty");
  expect_contains(decode_error(as_bytes("\x89PN"sv), "x.png"), "truncated");
}

TEST(Decode, NamesProblemsOfThePath) {
  try {
    decode_file(golden("images/absent.png"));
    FAIL() << "no error";
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kRuntime);
    expect_contains(error.message(), "absent.png: no such file");
  }
  try {
    decode_file(golden("images"));
    FAIL() << "no error";
  } catch (const core::Error& error) {
    expect_contains(error.message(), "is a folder");
  }
}

TEST(Decode, RefusesTruncatedFiles) {
  for (const std::string& file : sample_files()) {
    const auto bytes = read_bytes(golden("images/" + file));
    const std::string kind = file.ends_with(".png") ? "truncated PNG" : "truncated JPEG";
    for (const double part : {0.3, 0.5, 0.9}) {
      const auto cut = std::span(bytes).first(static_cast<std::size_t>(part * bytes.size()));
      expect_contains(decode_error(cut, file), file + ": truncated");
    }
    expect_contains(decode_error(std::span(bytes).first(bytes.size() - 2), file), file + ": " + kind);
  }
}

std::vector<std::byte> png_with_size(std::uint32_t width, std::uint32_t height) {
  auto bytes = read_bytes(golden("images/gray.png"));
  for (int i = 0; i < 4; ++i) {
    bytes[16 + i] = static_cast<std::byte>(width >> (24 - 8 * i));
    bytes[20 + i] = static_cast<std::byte>(height >> (24 - 8 * i));
  }
  const std::uint32_t crc = test::crc32(std::span(bytes).subspan(12, 17));
  for (int i = 0; i < 4; ++i) bytes[29 + i] = static_cast<std::byte>(crc >> (24 - 8 * i));
  return bytes;
}

TEST(Decode, RefusesUnreasonableSizes) {
  expect_contains(decode_error(png_with_size(20000, 10000), "x"),
                  "x: an image of 20000x10000 pixels exceeds");
  expect_contains(decode_error(png_with_size(0x7fffffff, 0x7fffffff), "x"), "exceeds the limit of 178956970");
  expect_contains(decode_error(png_with_size(0, 5), "x"), "x: ");
  expect_contains(decode_error(png_with_size(13000, 13000), "x"), "truncated PNG");
}

TEST(Decode, RefusesCorruptData) {
  auto png = read_bytes(golden("images/rgba.png"));
  png[png.size() / 2] ^= std::byte{0x40};
  expect_contains(decode_error(png, "x.png"), "x.png: corrupt PNG");
  auto jpeg = read_bytes(golden("images/scene_640x427.jpg"));
  jpeg[jpeg.size() / 2] = std::byte{0xff};
  jpeg[jpeg.size() / 2 + 1] = std::byte{0xd9};
  expect_contains(decode_error(jpeg, "x.jpg"), "x.jpg: corrupt");
}

// Damaged files end in an image of a sane size or in an error, whatever the damage.
TEST(Decode, SurvivesMutations) {
  std::mt19937 random(20240607);
  const auto pick = [&](std::size_t n) { return random() % n; };
  int decoded = 0;
  int refused = 0;
  for (const std::string& file : sample_files()) {
    const auto original = read_bytes(golden("images/" + file));
    const bool is_small = original.size() < 5000;
    for (int round = 0; round < (is_small ? 300 : 100); ++round) {
      auto bytes = original;
      const std::size_t changes = 1 + pick(4);
      const std::size_t reach = round % 2 == 0 ? std::min<std::size_t>(bytes.size(), 200) : bytes.size();
      for (std::size_t i = 0; i < changes; ++i) bytes[pick(reach)] = static_cast<std::byte>(pick(256));
      if (round % 5 == 0) bytes.resize(pick(bytes.size()));
      try {
        const Image image = decode_bytes(bytes, file);
        ASSERT_EQ(image.rgb.size(), std::size_t{3} * image.width * image.height);
        ++decoded;
      } catch (const core::Error& error) {
        ASSERT_EQ(error.code(), core::ErrorCode::kRuntime);
        ++refused;
      }
    }
  }
  EXPECT_GT(decoded, 100);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace vulcap::image
