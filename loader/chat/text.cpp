#include "loader/chat/text.h"

#include <utf8proc.h>

#include <algorithm>

namespace vulcap::chat {
namespace {

using Map = utf8proc_int32_t (*)(utf8proc_int32_t);

void append_mapped(std::string& out, std::string_view character, Map map) {
  const char32_t from = code_point(character);
  const auto to = map(utf8proc_int32_t(from));
  if (to == utf8proc_int32_t(from)) {
    out += character;
    return;
  }
  utf8proc_uint8_t bytes[4];
  out.append(reinterpret_cast<const char*>(bytes), size_t(utf8proc_encode_char(to, bytes)));
}

std::string mapped(std::string_view text, Map map) {
  std::string result;
  for (const std::string_view c : characters(text)) append_mapped(result, c, map);
  return result;
}

// Letters whose case is `wanted` and none of the other; at least one.
bool has_case(std::string_view text, utf8proc_category_t wanted, utf8proc_category_t other) {
  bool found = false;
  for (const std::string_view c : characters(text)) {
    const utf8proc_category_t category = utf8proc_category(utf8proc_int32_t(code_point(c)));
    if (category == other || category == UTF8PROC_CATEGORY_LT) return false;
    found |= category == wanted;
  }
  return found;
}

bool is_letter(std::string_view character) {
  const utf8proc_category_t category = utf8proc_category(utf8proc_int32_t(code_point(character)));
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT;
}

// What lies between white space.
std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  bool inside = false;
  for (const std::string_view c : characters(text)) {
    const bool space = is_space(c);
    if (!space && !inside) words.push_back(c);
    if (!space) words.back() = {words.back().data(), size_t(c.data() + c.size() - words.back().data())};
    inside = !space;
  }
  return words;
}

std::vector<std::string> split_words(std::string_view text, int64_t limit, bool from_right) {
  const auto words = words_of(text);
  std::vector<std::string> parts(words.begin(), words.end());
  if (limit < 0 || int64_t(words.size()) <= limit) return parts;
  const size_t kept = size_t(limit);
  if (from_right) {
    const std::string_view last = words[words.size() - kept - 1];
    parts.erase(parts.begin(), parts.end() - int64_t(kept));
    const size_t rest = size_t(last.data() + last.size() - text.data());
    parts.insert(parts.begin(), std::string(text.substr(0, rest)));
  } else {
    parts.resize(kept);
    parts.emplace_back(text.substr(size_t(words[kept].data() - text.data())));
  }
  return parts;
}

// "" lies before every character and at the end.
std::string put_between(std::string_view text, std::string_view mark, int64_t count) {
  std::string result;
  for (const std::string_view c : characters(text)) {
    if (count != 0) {
      result += mark;
      --count;
    }
    result += c;
  }
  return count != 0 ? result + std::string(mark) : result;
}

}  // namespace

size_t char_bytes(std::string_view text, size_t at) {
  utf8proc_int32_t c;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                      utf8proc_ssize_t(text.size() - at), &c);
  return bytes > 0 ? size_t(bytes) : 1;
}

char32_t code_point(std::string_view character) {
  utf8proc_int32_t c;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.data()),
                                      utf8proc_ssize_t(character.size()), &c);
  return bytes > 0 ? char32_t(c) : char32_t(0xfffd);
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> result;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = char_bytes(text, at);
    result.push_back(text.substr(at, bytes));
    at += bytes;
  }
  return result;
}

size_t char_count(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) ++count;
  return count;
}

bool is_space(std::string_view character) {
  const char32_t c = code_point(character);
  return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

std::string strip(std::string_view text, Side side, const std::string* chars) {
  const auto all = characters(text);
  const auto set = chars != nullptr ? characters(*chars) : std::vector<std::string_view>{};
  const auto goes = [&](std::string_view c) {
    return chars == nullptr ? is_space(c) : std::find(set.begin(), set.end(), c) != set.end();
  };
  size_t begin = 0, end = all.size();
  while (side != Side::kRight && begin < end && goes(all[begin])) ++begin;
  while (side != Side::kLeft && end > begin && goes(all[end - 1])) --end;
  if (begin == end) return "";
  return std::string(all[begin].data(), all[end - 1].data() + all[end - 1].size());
}

std::string upper(std::string_view text) {
  return mapped(replace(text, "\u00df", "SS", -1), utf8proc_toupper);
}
std::string lower(std::string_view text) { return mapped(text, utf8proc_tolower); }

std::string capitalize(std::string_view text) {
  if (text.empty()) return "";
  const size_t first = char_bytes(text, 0);
  return mapped(text.substr(0, first), utf8proc_totitle) + lower(text.substr(first));
}

std::string title(std::string_view text) {
  std::string result;
  bool inside = false;
  for (const std::string_view c : characters(text)) {
    append_mapped(result, c, inside ? utf8proc_tolower : utf8proc_totitle);
    inside = is_letter(c);
  }
  return result;
}

bool is_upper(std::string_view text) { return has_case(text, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL); }
bool is_lower(std::string_view text) { return has_case(text, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LU); }

std::string replace(std::string_view text, std::string_view from, std::string_view to, int64_t count) {
  if (from.empty()) return put_between(text, to, count);
  std::string result;
  for (; count != 0; --count) {
    const size_t found = text.find(from);
    if (found == std::string_view::npos) break;
    result += text.substr(0, found);
    result += to;
    text = text.substr(found + from.size());
  }
  return result + std::string(text);
}

std::vector<std::string> split(std::string_view text, std::string_view separator, int64_t limit,
                               bool from_right) {
  if (separator.empty()) return split_words(text, limit, from_right);
  std::vector<std::string> parts;
  while (limit < 0 || int64_t(parts.size()) < limit) {
    const size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    const size_t behind = at + separator.size();
    parts.emplace_back(from_right ? text.substr(behind) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(behind);
  }
  parts.emplace_back(text);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\n\r\v\f"), text.size());
    size_t behind = std::min(end + 1, text.size());
    if (end + 1 < text.size() && text[end] == '\r' && text[end + 1] == '\n') ++behind;
    lines.emplace_back(text.substr(0, keep_ends ? behind : end));
    text = text.substr(behind);
  }
  return lines;
}

}  // namespace vulcap::chat
