#include "loader/tokenizer/byte_level.h"

#include <array>

#include "loader/tokenizer/unicode.h"

namespace vulcap::tokenizer {
namespace {

constexpr std::size_t kTableSize = 256 + 68;  // 68 bytes have no printable Latin-1 character of their own

constexpr bool is_printable(unsigned b) {
  return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

struct Tables {
  std::array<char32_t, 256> to_char{};
  std::array<int, kTableSize> to_byte{};
};

constexpr Tables make_tables() {
  Tables t;
  for (int& b : t.to_byte) b = -1;
  unsigned next = 256;
  for (unsigned b = 0; b < 256; ++b) {
    t.to_char[b] = is_printable(b) ? b : next++;
    t.to_byte[t.to_char[b]] = static_cast<int>(b);
  }
  return t;
}

constexpr Tables kTables = make_tables();

}  // namespace

char32_t char_of_byte(unsigned char byte) { return kTables.to_char[byte]; }

std::optional<unsigned char> byte_of_char(char32_t c) {
  if (c >= kTableSize || kTables.to_byte[c] < 0) return std::nullopt;
  return static_cast<unsigned char>(kTables.to_byte[c]);
}

void to_byte_level(NormalizedString& text) {
  std::vector<CharChange> changes;
  changes.reserve(text.size());
  std::string bytes;
  for (const char32_t c : text.chars()) {
    bytes.clear();
    append_utf8(bytes, c);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      changes.push_back({char_of_byte(static_cast<unsigned char>(bytes[i])), i > 0 ? 1 : 0});
    }
  }
  text.transform(changes);
}

}  // namespace vulcap::tokenizer
