// Filters that make text or numbers.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "loader/chat/builtins.h"
#include "loader/chat/text.h"

namespace vulcap::chat {
namespace {

// The text of a value, paid for.
std::string text_of(const Value& self, Budget& budget) {
  budget.memory(self.extent().weight);
  return to_text(self);
}

template <std::string (*map)(std::string_view)>
Value mapped(const Value& self, const Args&, Budget& budget) {
  return map(text_of(self, budget));
}

// Unlike str.title, a word begins behind white space, hyphens and opening brackets only.
Value title_words(const Value& self, const Args&, Budget& budget) {
  const std::string text = text_of(self, budget);
  std::string result, word;
  for (const std::string_view c : characters(text)) {
    word += c;
    if (!is_space(c) && (c.size() > 1 || std::string_view("-({[<").find(c) == std::string_view::npos))
      continue;
    result += capitalize(word);
    word.clear();
  }
  return result + capitalize(word);
}

Value trim(const Value& self, const Args& args, Budget& budget) {
  const Value* chars = args.find("chars");
  return strip(text_of(self, budget), Side::kBoth, chars != nullptr ? chars->string() : nullptr);
}

Value replace_text(const Value& self, const Args& args, Budget& budget) {
  const std::string from = args.text("old"), to = args.text("new"), text = text_of(self, budget);
  args.require("new");
  budget.memory((text.size() / std::max<size_t>(from.size(), 1) + 1) * to.size());
  const Value* count = args.find("count");
  return replace(text, from, to, count == nullptr || count->is_none() ? -1 : args.integer("count", -1));
}

Value to_string(const Value& self, const Args&, Budget& budget) { return text_of(self, budget); }
Value same(const Value& self, const Args&, Budget&) { return self; }

Value json(const Value& self, const Args& args, Budget& budget) {
  JsonStyle style;
  style.ascii = args.flag("ensure_ascii");
  style.sort_keys = args.flag("sort_keys");
  const Value* indent = args.find("indent");
  if (indent != nullptr && !indent->is_none()) {
    const int64_t width = indent->string() != nullptr ? 0 : args.integer("indent", 0);
    if (width > 100) fail("tojson: indent is above 100");
    style.indent = indent->string() != nullptr ? *indent->string()
                                               : std::string(size_t(std::max<int64_t>(width, 0)), ' ');
    style.item_separator = ",";
  }
  if (const Value* separators = args.find("separators"); separators != nullptr && !separators->is_none()) {
    const List pair = elements_of(*separators);
    if (pair.size() != 2 || pair[0].string() == nullptr || pair[1].string() == nullptr)
      fail("tojson: separators must be two strings");
    style.item_separator = *pair[0].string();
    style.key_separator = *pair[1].string();
  }
  // A value weighs at least 32 a node; indentation adds up to its width a level.
  const uint64_t nodes = self.extent().weight / 32 + 1;
  const size_t level = style.indent ? style.indent->size() : 0;
  budget.memory(2 * self.extent().weight + nodes * uint64_t(self.extent().depth) * level);
  budget.memory(nodes * (style.item_separator.size() + style.key_separator.size()));
  return to_json(self, style);
}

Value indent(const Value& self, const Args& args, Budget& budget) {
  const Value* width = args.find("width");
  const bool own = width != nullptr && width->string() != nullptr;
  const int64_t count = own ? 0 : args.integer("width", 4);
  budget.memory(uint64_t(std::max<int64_t>(count, 0)));
  const std::string margin = own ? *width->string() : std::string(size_t(std::max<int64_t>(count, 0)), ' ');
  const std::string text = text_of(self, budget);
  budget.memory(uint64_t(std::count(text.begin(), text.end(), '\n') + 1) * (margin.size() + 1));
  std::string result;
  bool first = true;
  for (const std::string& line : split_lines(text + "\n", false)) {
    const bool moves = first ? args.flag("first") : args.flag("blank") || !line.empty();
    result += (first ? "" : "\n") + (moves ? margin : std::string()) + line;
    first = false;
  }
  return result;
}

Value center(const Value& self, const Args& args, Budget& budget) {
  const std::string text = text_of(self, budget);
  const auto length = int64_t(char_count(text));
  const int64_t room = std::max<int64_t>(args.integer("width", 80) - length, 0);
  budget.memory(uint64_t(room));
  const int64_t left = room / 2 + (room & (length + room) & 1);
  return std::string(size_t(left), ' ') + text + std::string(size_t(room - left), ' ');
}

Value truncate(const Value& self, const Args& args, Budget& budget) {
  const std::string text = text_of(self, budget), end = args.text("end", "...");
  const int64_t length = args.integer("length", 255), leeway = args.integer("leeway", 5);
  const auto all = characters(text);
  if (int64_t(all.size()) <= length + leeway) return text;
  const int64_t kept = length - int64_t(char_count(end));
  if (kept < 0) fail("truncate: length is shorter than the end mark");
  std::string result;
  for (int64_t i = 0; i < kept; ++i) result += all[size_t(i)];
  if (!args.flag("killwords")) result = result.substr(0, result.rfind(' '));
  return result + end;
}

Value escape(const Value& self, const Args&, Budget& budget) {
  std::string result;
  for (const char c : text_of(self, budget)) {
    constexpr std::string_view kMarks = "&<>'\"";
    constexpr const char* kNames[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    const size_t mark = kMarks.find(c);
    result += mark == std::string_view::npos ? std::string(1, c) : kNames[mark];
  }
  return result;
}

Value format(const Value& self, const Args& args, Budget& budget) {
  for (const Value& value : args.all().positional) budget.memory(value.extent().weight);
  return format_percent(text_of(self, budget), args.all().positional);
}

Value word_count(const Value& self, const Args&, Budget& budget) {
  return int64_t(split(text_of(self, budget), "", -1, false).size());
}

template <typename Number>
std::optional<Number> parse_number(const std::string& given) {
  std::string text = strip(given, Side::kBoth);
  if (text.starts_with('+')) text.erase(0, 1);
  Number number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

Value to_integer(const Value& self, const Args& args, Budget&) {
  const Value* fallback = args.find("default");
  if (args.integer("base", 10) != 10) fail("int: only base 10 is supported");
  std::optional<double> number = self.number();
  if (self.integer()) return *self.integer();
  if (const auto* text = self.string()) {
    if (const auto integer = parse_number<int64_t>(*text)) return *integer;
    number = parse_number<double>(*text);
  }
  if (number && std::abs(*number) < 9e18) return int64_t(*number);
  return fallback != nullptr ? *fallback : Value(0);
}

Value to_float(const Value& self, const Args& args, Budget&) {
  if (self.number()) return *self.number();
  if (const auto* text = self.string()) {
    if (const auto number = parse_number<double>(*text)) return *number;
  }
  const Value* fallback = args.find("default");
  return fallback != nullptr ? *fallback : Value(0.0);
}

double number_of(const Value& self, const char* filter) {
  require_defined(self);
  if (!self.number()) fail(std::string(filter) + " needs a number, not " + to_repr(self));
  return *self.number();
}

Value absolute(const Value& self, const Args&, Budget&) {
  const double number = number_of(self, "abs");
  if (self.integer()) return *self.integer() < 0 ? -*self.integer() : *self.integer();
  return std::abs(number);
}

Value round_number(const Value& self, const Args& args, Budget&) {
  const double number = number_of(self, "round");
  const int64_t precision = args.integer("precision", 0);
  const std::string method = args.text("method", "common");
  if (std::abs(precision) > 300) fail("round: precision is too large");
  const double scale = std::pow(10.0, double(precision));
  if (method == "ceil") return std::ceil(number * scale) / scale;
  if (method == "floor") return std::floor(number * scale) / scale;
  if (method != "common") fail("round: method must be common, ceil or floor");
  if (self.integer() && precision >= 0) return *self.integer();
  if (precision < 0) return std::nearbyint(number * scale) / scale;
  char text[700];
  const auto end = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed, int(precision));
  return *parse_number<double>(std::string(text, end.ptr));  // exact, halves to even, as Python
}

Value url_encode(const Value& self, const Args&, Budget& budget) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text_of(self, budget)) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c != '\0' && std::string_view("_.-~/").find(c) != std::string_view::npos);
    if (plain) {
      result += c;
    } else {
      result += {'%', kDigits[uint8_t(c) >> 4], kDigits[uint8_t(c) & 15]};
    }
  }
  return result;
}

}  // namespace

const std::vector<Builtin>& text_filters() {
  static const std::vector<Builtin> table = {
      {"upper", "", mapped<upper>},
      {"lower", "", mapped<lower>},
      {"capitalize", "", mapped<capitalize>},
      {"title", "", title_words},
      {"trim", "chars", trim},
      {"replace", "old new count", replace_text},
      {"string", "", to_string},
      {"safe", "", same},
      {"tojson", "ensure_ascii indent separators sort_keys", json},
      {"indent", "width first blank", indent},
      {"center", "width", center},
      {"truncate", "length killwords end leeway", truncate},
      {"escape", "", escape},
      {"e", "", escape},
      {"format", "*", format},
      {"wordcount", "", word_count},
      {"int", "default base", to_integer},
      {"float", "default", to_float},
      {"abs", "", absolute},
      {"round", "precision method", round_number},
      {"urlencode", "", url_encode},
  };
  return table;
}

}  // namespace vulcap::chat
