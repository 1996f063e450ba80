// Methods of Python's str, and % formatting.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "loader/chat/builtins.h"
#include "loader/chat/text.h"

namespace vulcap::chat {
namespace {

const std::string& text(const Value& self) { return *self.string(); }

template <std::string (*map)(std::string_view)>
Value mapped(const Value& self, const Args&, Budget& budget) {
  budget.memory(self.extent().weight);
  return map(text(self));
}

template <Side side>
Value strip_text(const Value& self, const Args& args, Budget& budget) {
  budget.memory(self.extent().weight);
  const Value* chars = args.find("chars");
  if (chars == nullptr || chars->is_none()) return strip(text(self), side);
  const std::string set = args.text("chars");
  return strip(text(self), side, &set);
}

Value texts(const std::vector<std::string>& parts, Budget& budget) {
  budget.memory(64 * parts.size());
  return Value::list(List(parts.begin(), parts.end()));
}

template <bool from_right>
Value split_text(const Value& self, const Args& args, Budget& budget) {
  const Value* separator = args.find("sep");
  const bool words = separator == nullptr || separator->is_none();
  if (!words && args.text("sep").empty()) fail("split: the separator is empty");
  budget.memory(self.extent().weight);
  return texts(split(text(self), words ? "" : args.text("sep"), args.integer("maxsplit", -1), from_right),
               budget);
}

Value split_into_lines(const Value& self, const Args& args, Budget& budget) {
  budget.memory(self.extent().weight);
  return texts(split_lines(text(self), args.flag("keepends")), budget);
}

template <bool from_right>
Value partition(const Value& self, const Args& args, Budget& budget) {
  budget.memory(self.extent().weight);
  const std::string mark = args.text("sep");
  if (mark.empty()) fail("partition: the separator is empty");
  const size_t at = from_right ? text(self).rfind(mark) : text(self).find(mark);
  if (at == std::string::npos) return from_right ? Value::list({"", "", self}) : Value::list({self, "", ""});
  return Value::list({text(self).substr(0, at), mark, text(self).substr(at + mark.size())});
}

template <bool at_end>
Value begins_or_ends(const Value& self, const Args& args, Budget&) {
  const Value& wanted = args.require("affix");
  const List options = wanted.list() != nullptr ? wanted.list()->items : List{wanted};
  return std::any_of(options.begin(), options.end(), [&](const Value& option) {
    require_defined(option);
    if (option.string() == nullptr) fail("a string can only begin or end with strings");
    return at_end ? text(self).ends_with(*option.string()) : text(self).starts_with(*option.string());
  });
}

template <bool at_end>
Value without(const Value& self, const Args& args, Budget& budget) {
  budget.memory(self.extent().weight);
  const std::string affix = args.text("affix");
  if (at_end && !affix.empty() && text(self).ends_with(affix))
    return text(self).substr(0, text(self).size() - affix.size());
  if (!at_end && text(self).starts_with(affix)) return text(self).substr(affix.size());
  return self;
}

template <bool last, bool must>
Value find_text(const Value& self, const Args& args, Budget&) {
  const std::string wanted = args.text("sub");
  const size_t at = last ? text(self).rfind(wanted) : text(self).find(wanted);
  if (at != std::string::npos) return int64_t(char_count(std::string_view(text(self)).substr(0, at)));
  if (must) fail("index: the string does not hold " + to_repr(wanted));
  return -1;
}

Value count_text(const Value& self, const Args& args, Budget&) {
  const std::string wanted = args.text("sub");
  if (wanted.empty()) return int64_t(char_count(text(self))) + 1;
  int64_t count = 0;
  for (size_t at = text(self).find(wanted); at != std::string::npos;
       at = text(self).find(wanted, at + wanted.size()))
    ++count;
  return count;
}

Value replace_text(const Value& self, const Args& args, Budget& budget) {
  const std::string from = args.text("old"), to = args.text("new");
  args.require("new");
  budget.memory(self.extent().weight +
                (text(self).size() / std::max<size_t>(from.size(), 1) + 1) * to.size());
  return replace(text(self), from, to, args.integer("count", -1));
}

Value join_texts(const Value& self, const Args& args, Budget& budget) {
  const List items = elements_of(args.require("iterable"));
  budget.memory(items.size() * text(self).size());
  std::string result;
  for (size_t i = 0; i < items.size(); ++i) {
    require_defined(items[i]);
    if (items[i].string() == nullptr) fail("join needs strings, not " + to_repr(items[i]));
    budget.memory(items[i].extent().weight);
    result += (i > 0 ? text(self) : "") + *items[i].string();
  }
  return result;
}

template <bool (*holds)(std::string_view)>
Value check_text(const Value& self, const Args&, Budget&) {
  return holds(text(self));
}

template <bool (*holds)(std::string_view)>
bool each(std::string_view whole) {
  const auto all = characters(whole);
  return !all.empty() && std::all_of(all.begin(), all.end(), holds);
}

bool is_digit(std::string_view c) { return c.size() == 1 && c[0] >= '0' && c[0] <= '9'; }
bool is_letter(std::string_view c) { return is_upper(c) || is_lower(c) || (c.size() > 2 && !is_space(c)); }
bool is_letter_or_digit(std::string_view c) { return is_digit(c) || is_letter(c); }

template <bool on_left>
Value pad(const Value& self, const Args& args, Budget& budget) {
  const std::string fill = args.text("fillchar", " ");
  const int64_t room = std::max<int64_t>(args.integer("width", 0) - int64_t(char_count(text(self))), 0);
  budget.memory(self.extent().weight + uint64_t(room) * fill.size());
  std::string padding;
  for (int64_t i = 0; i < room; ++i) padding += fill;
  return on_left ? padding + text(self) : text(self) + padding;
}

// {} and {name} without format specifications.
Value format_braces(const Value& self, const Args& args, Budget& budget) {
  std::string result;
  size_t next = 0;
  const std::string& pattern = text(self);
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const bool doubled = i + 1 < pattern.size() && pattern[i + 1] == c && (c == '{' || c == '}');
    if (doubled || (c != '{' && c != '}')) {
      result += c;
      i += doubled ? 1 : 0;
      continue;
    }
    const size_t end = pattern.find('}', i);
    const std::string name = c == '{' && end != std::string::npos ? pattern.substr(i + 1, end - i - 1) : "!";
    if (name.find_first_of("!:.[") != std::string::npos)
      fail("format: " + to_repr(self) + " is not supported");
    const bool number = name.find_first_not_of("0123456789") == std::string::npos && name.size() < 6;
    const size_t index = !number ? 0 : name.empty() ? next++ : size_t(std::stoul(name));
    const auto& positional = args.all().positional;
    const Value* value =
        number ? (index < positional.size() ? &positional[index] : nullptr) : find(args.all().named, name);
    if (value == nullptr) fail("format: there is no value for {" + name + "}");
    budget.memory(value->extent().weight);
    result += to_text(*value);
    i = end;
  }
  return result;
}

std::string formatted(char kind, const std::string& flags, const Value& value) {
  if (kind == 's') return to_text(value);
  if (kind == 'r') return to_repr(value);
  if (!value.number()) fail(std::string("%") + kind + " needs a number, not " + to_repr(value));
  char buffer[512];
  int length = 0;
  if (kind == 'd' || kind == 'i' || kind == 'x' || kind == 'X') {
    if (!value.integer() && !(std::abs(*value.number()) < 9e18)) fail("%d: the number is too large");
    const long long whole = value.integer() ? *value.integer() : int64_t(*value.number());
    length = std::snprintf(buffer, sizeof buffer, ("%" + flags + "ll" + kind).c_str(), whole);
  } else {
    length = std::snprintf(buffer, sizeof buffer, ("%" + flags + kind).c_str(), *value.number());
  }
  return std::string(buffer, std::min(size_t(length), sizeof buffer - 1));
}

}  // namespace

std::string format_percent(const std::string& pattern, const List& values) {
  std::string result;
  size_t next = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      result += pattern[i];
      continue;
    }
    std::string flags;
    for (++i;
         i < pattern.size() && std::string_view("+-0123456789.").find(pattern[i]) != std::string_view::npos;
         ++i)
      flags += pattern[i];
    const char kind = i < pattern.size() ? pattern[i] : '\0';
    if (kind == '%') {
      result += '%';
      continue;
    }
    const bool known = kind != '\0' && std::string_view("sridxXfeg").find(kind) != std::string_view::npos;
    if (!known || flags.size() > 4 || (!flags.empty() && (kind == 's' || kind == 'r')))
      fail("the format " + to_repr(pattern) + " is not supported");
    if (next >= values.size()) fail("the format " + to_repr(pattern) + " has more places than values");
    require_defined(values[next]);
    result += formatted(kind, flags, values[next++]);
  }
  if (next < values.size()) fail("the format " + to_repr(pattern) + " has fewer places than values");
  return result;
}

const std::vector<Builtin>& string_methods() {
  static const std::vector<Builtin> table = {
      {"upper", "", mapped<upper>},
      {"lower", "", mapped<lower>},
      {"capitalize", "", mapped<capitalize>},
      {"title", "", mapped<title>},
      {"strip", "chars", strip_text<Side::kBoth>},
      {"lstrip", "chars", strip_text<Side::kLeft>},
      {"rstrip", "chars", strip_text<Side::kRight>},
      {"split", "sep maxsplit", split_text<false>},
      {"rsplit", "sep maxsplit", split_text<true>},
      {"splitlines", "keepends", split_into_lines},
      {"partition", "sep", partition<false>},
      {"rpartition", "sep", partition<true>},
      {"startswith", "affix", begins_or_ends<false>},
      {"endswith", "affix", begins_or_ends<true>},
      {"removeprefix", "affix", without<false>},
      {"removesuffix", "affix", without<true>},
      {"find", "sub", find_text<false, false>},
      {"rfind", "sub", find_text<true, false>},
      {"index", "sub", find_text<false, true>},
      {"rindex", "sub", find_text<true, true>},
      {"count", "sub", count_text},
      {"replace", "old new count", replace_text},
      {"join", "iterable", join_texts},
      {"isdigit", "", check_text<each<is_digit>>},
      {"isnumeric", "", check_text<each<is_digit>>},
      {"isdecimal", "", check_text<each<is_digit>>},
      {"isalpha", "", check_text<each<is_letter>>},
      {"isalnum", "", check_text<each<is_letter_or_digit>>},
      {"isspace", "", check_text<each<is_space>>},
      {"isupper", "", check_text<is_upper>},
      {"islower", "", check_text<is_lower>},
      {"ljust", "width fillchar", pad<false>},
      {"rjust", "width fillchar", pad<true>},
      {"format", "*", format_braces},
  };
  return table;
}

}  // namespace vulcap::chat
