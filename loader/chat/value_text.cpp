// Values as text: Python's str, repr and json.dumps.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "loader/chat/text.h"
#include "loader/chat/value.h"

namespace vulcap::chat {
namespace {

// Shortest digits that read back equal; an exponent below 1e-4 and from 1e16 on.
std::string float_text(double value, const char* infinity, const char* nan) {
  if (std::isnan(value)) return nan;
  if (std::isinf(value)) return std::string(value < 0 ? "-" : "") + infinity;
  char buffer[512];
  const double size = std::abs(value);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string hex(uint32_t value, int digits) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) text += kDigits[(value >> shift) & 15];
  return text;
}

std::string string_repr(const std::string& text) {
  const bool single = text.find('\'') == std::string::npos || text.find('"') != std::string::npos;
  const char quote = single ? '\'' : '"';
  std::string result(1, quote);
  for (const char c : text) {
    const auto byte = uint8_t(c);
    if (c == quote || c == '\\') {
      result += {'\\', c};
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\r') {
      result += "\\r";
    } else if (c == '\t') {
      result += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      result += "\\x" + hex(byte, 2);
    } else {
      result += c;
    }
  }
  return result + quote;
}

std::string unicode_escape(char32_t c) {
  if (c < 0x10000) return "\\u" + hex(c, 4);
  const uint32_t above = c - 0x10000;
  return "\\u" + hex(0xd800 + (above >> 10), 4) + "\\u" + hex(0xdc00 + (above & 0x3ff), 4);
}

std::string json_string(const std::string& text, bool ascii) {
  std::string result = "\"";
  for (size_t at = 0; at < text.size();) {
    const size_t length = char_bytes(text, at);
    const std::string_view bytes = std::string_view(text).substr(at, length);
    const char32_t c = code_point(bytes);
    at += length;
    constexpr std::string_view kNames = "\"\\\n\r\t\b\f", kEscapes = "\"\\nrtbf";
    const size_t known = c < 0x80 ? kNames.find(char(c)) : std::string_view::npos;
    if (known != std::string_view::npos) {
      result += {'\\', kEscapes[known]};
    } else if (c < 0x20 || (ascii && c > 0x7e)) {
      result += unicode_escape(c);
    } else {
      result += bytes;
    }
  }
  return result + '"';
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  void write(const Value& value) {
    require_defined(value);
    if (value.is_none()) {
      text_ += "null";
    } else if (const auto* boolean = value.as<bool>()) {
      text_ += *boolean ? "true" : "false";
    } else if (const auto* number = value.as<double>()) {
      text_ += float_text(*number, "Infinity", "NaN");
    } else if (const auto* text = value.string()) {
      text_ += json_string(*text, style_.ascii);
    } else if (value.list() != nullptr && !value.list()->generator) {
      write_list(value.list()->items);
    } else if (value.dict() != nullptr) {
      write_dict(value.dict()->items);
    } else if (value.integer()) {
      text_ += std::to_string(*value.integer());
    } else {
      fail("tojson: a " + std::string(value.type_name()) + " has no JSON form");
    }
  }

  std::string text() && { return std::move(text_); }

 private:
  void write_list(const List& items) {
    for (size_t i = 0; i < items.size(); ++i) {
      open(i, '[');
      write(items[i]);
    }
    close(items.empty(), "[]");
  }

  void write_dict(Dict items) {
    if (style_.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    for (size_t i = 0; i < items.size(); ++i) {
      open(i, '{');
      text_ += json_string(items[i].first, style_.ascii) + style_.key_separator;
      write(items[i].second);
    }
    close(items.empty(), "{}");
  }

  void open(size_t index, char bracket) {
    if (index == 0) {
      text_ += bracket;
      ++level_;
    } else {
      text_ += style_.item_separator;
    }
    break_line();
  }

  void close(bool empty, const char* brackets) {
    if (empty) {
      text_ += brackets;
      return;
    }
    --level_;
    break_line();
    text_ += brackets[1];
  }

  void break_line() {
    if (!style_.indent) return;
    text_ += '\n';
    for (int i = 0; i < level_; ++i) text_ += *style_.indent;
  }

  const JsonStyle& style_;
  std::string text_;
  int level_ = 0;
};

}  // namespace

std::string to_text(const Value& value) {
  if (value.is_undefined()) return "";
  if (const auto* text = value.string()) return *text;
  return to_repr(value);
}

std::string to_repr(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "None";
  if (const auto* boolean = value.as<bool>()) return *boolean ? "True" : "False";
  if (const auto integer = value.integer()) return std::to_string(*integer);
  if (const auto* number = value.as<double>()) return float_text(*number, "inf", "nan");
  if (const auto* text = value.string()) return string_repr(*text);
  std::string result;
  if (const ListData* list = value.list(); list != nullptr && !list->generator) {
    for (const Value& item : list->items) result += (result.empty() ? "" : ", ") + to_repr(item);
    return "[" + result + "]";
  }
  if (const DictData* dict = value.dict()) {
    for (const auto& [key, item] : dict->items)
      result += (result.empty() ? "" : ", ") + string_repr(key) + ": " + to_repr(item);
    return "{" + result + "}";
  }
  fail("a " + std::string(value.type_name()) + " cannot be printed");
}

std::string to_json(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  writer.write(value);
  return std::move(writer).text();
}

}  // namespace vulcap::chat
