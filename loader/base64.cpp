#include "loader/base64.h"

#include <array>
#include <cstdint>

namespace vulcap::loader {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr int8_t kNoDigit = -1;

constexpr std::array<int8_t, 256> digit_values() {
  std::array<int8_t, 256> values{};
  values.fill(kNoDigit);
  for (size_t i = 0; i < kDigits.size(); ++i) values[uint8_t(kDigits[i])] = int8_t(i);
  return values;
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = at; i < at + 3; ++i) group = (group << 8) | (i < bytes.size() ? uint8_t(bytes[i]) : 0U);
    for (int shift = 18; shift >= 0; shift -= 6) text.push_back(kDigits[(group >> shift) & 63]);
  }
  for (size_t i = 0; i < (3 - bytes.size() % 3) % 3; ++i) text[text.size() - 1 - i] = '=';
  return text;
}

std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr auto kValues = digit_values();
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int count = 0;
  bool padded = false;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    padded |= c == '=';
    if (padded && c == '=') continue;
    const int8_t digit = kValues[uint8_t(c)];
    if (digit == kNoDigit || padded) return std::nullopt;
    bits = (bits << 6) | uint32_t(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(char((bits >> count) & 0xFF));
  }
  if (count >= 6) return std::nullopt;
  return out;
}

}  // namespace vulcap::loader
