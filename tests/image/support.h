// Reading of golden files, shared by the image tests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace vulcap::image::test {

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(VULCAP_TEST_DATA) / name;
}

inline std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("missing golden file " + path.string());
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
  const auto bytes = read_bytes(path);
  const char* begin = reinterpret_cast<const char*>(bytes.data());
  return nlohmann::json::parse(begin, begin + bytes.size());
}

inline std::uint32_t crc32(std::span<const std::byte> bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (const std::byte b : bytes) {
    crc ^= static_cast<std::uint32_t>(b);
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

struct Npy {
  std::vector<std::size_t> shape;
  std::vector<float> data;
};

// Version 1 files of little-endian float32 in C order.
inline Npy read_npy(const std::filesystem::path& path) {
  const auto bytes = read_bytes(path);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  if (bytes.size() < 10 || std::memcmp(text, "\x93NUMPY\x01", 7) != 0)
    throw std::runtime_error("not a .npy file");
  const std::size_t length = static_cast<std::uint8_t>(text[8]) + 256u * static_cast<std::uint8_t>(text[9]);
  const std::string header(text + 10, length);
  if (header.find("'<f4'") == std::string::npos ||
      header.find("'fortran_order': False") == std::string::npos) {
    throw std::runtime_error("unexpected .npy layout: " + header);
  }
  Npy result;
  std::size_t count = 1;
  for (std::size_t at = header.find('(') + 1; header[at] != ')';) {
    if (header[at] == ',' || header[at] == ' ') {
      ++at;
      continue;
    }
    std::size_t used = 0;
    result.shape.push_back(std::stoul(header.substr(at), &used));
    count *= result.shape.back();
    at += used;
  }
  if (bytes.size() != 10 + length + count * sizeof(float)) throw std::runtime_error("wrong .npy size");
  result.data.resize(count);
  std::memcpy(result.data.data(), text + 10 + length, count * sizeof(float));
  return result;
}

}  // namespace vulcap::image::test
