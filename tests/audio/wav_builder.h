// RIFF files in memory for the tests of readers.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::audio::test {

using Bytes = std::vector<std::byte>;

template <typename T>
void append(Bytes& bytes, T value) {
  const auto* data = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), data, data + sizeof(T));
}

inline void append_text(Bytes& bytes, std::string_view text) {
  for (const char c : text) bytes.push_back(std::byte(c));
}

inline Bytes chunk(std::string_view tag, const Bytes& content) {
  Bytes bytes;
  append_text(bytes, tag);
  append(bytes, uint32_t(content.size()));
  bytes.insert(bytes.end(), content.begin(), content.end());
  if (content.size() % 2 == 1) bytes.push_back(std::byte{0});
  return bytes;
}

struct Format {
  uint16_t tag = 1;  // 1: PCM, 3: float, 0xfffe: extensible
  uint16_t channels = 1;
  uint32_t rate = 16000;
  uint16_t bits = 16;
  uint16_t sub_tag = 1;  // of an extensible format
};

inline Bytes format_chunk(const Format& f) {
  Bytes bytes;
  append(bytes, f.tag);
  append(bytes, f.channels);
  append(bytes, f.rate);
  append(bytes, uint32_t(f.rate * f.channels * f.bits / 8));
  append(bytes, uint16_t(f.channels * f.bits / 8));
  append(bytes, f.bits);
  if (f.tag == 0xfffe) {
    append(bytes, uint16_t(22));
    append(bytes, f.bits);
    append(bytes, uint32_t(f.channels == 2 ? 3 : 4));
    append(bytes, f.sub_tag);
    for (const int b : {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71})
      bytes.push_back(std::byte(b));
  }
  return chunk("fmt ", bytes);
}

// `extra` chunks stand before the data.
inline Bytes wav(const Format& format, const Bytes& data, const Bytes& extra = {}) {
  Bytes body;
  append_text(body, "WAVE");
  for (const Bytes& part : {format_chunk(format), extra, chunk("data", data)})
    body.insert(body.end(), part.begin(), part.end());
  Bytes bytes;
  append_text(bytes, "RIFF");
  append(bytes, uint32_t(body.size()));
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

template <typename T>
Bytes bytes_of(const std::vector<T>& values) {
  Bytes bytes;
  for (const T value : values) append(bytes, value);
  return bytes;
}

}  // namespace vulcap::audio::test
