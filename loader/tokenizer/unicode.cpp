#include "loader/tokenizer/unicode.h"

#include <algorithm>

#include <utf8proc.h>

#include "runtime/core/error.h"

namespace vulcap::tokenizer {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct Decoded {
  char32_t code_point;
  std::size_t length;  // bytes consumed; for an invalid sequence its maximal valid prefix, at least 1
  bool valid;
  bool truncated;  // invalid only because the text ends
};

struct LeadByte {
  std::size_t length;
  unsigned char second_min;
  unsigned char second_max;
};

// Table 3-7 of the Unicode standard: the second byte is limited for E0, ED, F0 and F4.
LeadByte lead_byte(unsigned char b) {
  if (b < 0x80) return {1, 0, 0};
  if (b >= 0xC2 && b <= 0xDF) return {2, 0x80, 0xBF};
  if (b >= 0xE0 && b <= 0xEF) {
    return {3, static_cast<unsigned char>(b == 0xE0 ? 0xA0 : 0x80),
            static_cast<unsigned char>(b == 0xED ? 0x9F : 0xBF)};
  }
  if (b >= 0xF0 && b <= 0xF4) {
    return {4, static_cast<unsigned char>(b == 0xF0 ? 0x90 : 0x80),
            static_cast<unsigned char>(b == 0xF4 ? 0x8F : 0xBF)};
  }
  return {0, 0, 0};
}

Decoded decode_at(std::string_view s, std::size_t at) {
  const auto first = static_cast<unsigned char>(s[at]);
  const LeadByte lead = lead_byte(first);
  if (lead.length == 0) return {kReplacement, 1, false, false};
  if (lead.length == 1) return {first, 1, true, false};
  char32_t value = first & (0xFFu >> (lead.length + 1));
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (at + i >= s.size()) return {kReplacement, i, false, true};
    const auto b = static_cast<unsigned char>(s[at + i]);
    const unsigned char low = i == 1 ? lead.second_min : 0x80;
    const unsigned char high = i == 1 ? lead.second_max : 0xBF;
    if (b < low || b > high) return {kReplacement, i, false, false};
    value = (value << 6) | (b & 0x3Fu);
  }
  return {value, lead.length, true, false};
}

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool in_range(utf8proc_category_t c, utf8proc_category_t first, utf8proc_category_t last) {
  return c >= first && c <= last;
}

}  // namespace

std::u32string to_code_points(std::string_view utf8) {
  std::u32string out;
  out.reserve(utf8.size());
  for (std::size_t at = 0; at < utf8.size();) {
    const Decoded d = decode_at(utf8, at);
    if (!d.valid) {
      throw core::Error(core::ErrorCode::kRuntime,
                        "text is not valid UTF-8 at byte " + std::to_string(at) + "; convert it to UTF-8");
    }
    out.push_back(d.code_point);
    at += d.length;
  }
  return out;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
    return;
  }
  const std::size_t length = utf8_length(c);
  static constexpr unsigned char kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  out.push_back(static_cast<char>(kLead[length] | (c >> (6 * (length - 1)))));
  for (std::size_t i = length - 1; i-- > 0;) out.push_back(static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F)));
}

std::string to_utf8(std::u32string_view code_points) {
  std::string out;
  out.reserve(code_points.size());
  for (const char32_t c : code_points) append_utf8(out, c);
  return out;
}

std::size_t utf8_length(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const Decoded d = decode_at(bytes, at);
    append_utf8(out, d.code_point);
    at += d.length;
  }
  return out;
}

bool is_valid_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const Decoded d = decode_at(bytes, at);
    if (!d.valid) return false;
    at += d.length;
  }
  return true;
}

std::size_t incomplete_utf8_tail(std::string_view bytes) {
  for (std::size_t n = 1; n <= 3 && n <= bytes.size(); ++n) {
    const Decoded d = decode_at(bytes, bytes.size() - n);
    if (d.truncated && d.length == n) return n;
  }
  return 0;
}

bool is_whitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_numeric(char32_t c) { return in_range(category(c), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO); }

bool is_punctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  }
  return in_range(category(c), UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool is_other(char32_t c) {
  const utf8proc_category_t k = category(c);
  return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CO;
}

bool is_mark(char32_t c) { return in_range(category(c), UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME); }

bool is_nonspacing_mark(char32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; }

bool is_word(char32_t c) {
  const utf8proc_category_t k = category(c);
  if (in_range(k, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_NL) || k == UTF8PROC_CATEGORY_PC) return true;
  if (c == 0x200C || c == 0x200D) return true;
  // The circled and squared Latin letters are Alphabetic though their category is So.
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

std::u32string to_lower(char32_t c) {
  if (c < 0x80) return std::u32string(1, c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (c == 0x130) return U"i\u0307";
  return std::u32string(1, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

std::string stripped(std::string_view utf8) {
  const std::u32string chars = to_code_points(utf8);
  // The separators U+001C to U+001F count as space in Python alone.
  const auto is_space = [](char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); };
  const auto begin = std::find_if_not(chars.begin(), chars.end(), is_space);
  const auto end = std::find_if_not(chars.rbegin(), std::make_reverse_iterator(begin), is_space).base();
  return to_utf8(std::u32string(begin, end));
}

}  // namespace vulcap::tokenizer
