// Filters on sequences and mappings.
#include <algorithm>

#include "loader/chat/builtins.h"
#include "loader/chat/text.h"

namespace vulcap::chat {
namespace {

// The elements of a value, paid for.
List items_of(const Value& self, Budget& budget) {
  budget.memory(self.extent().weight);
  return elements_of(self);
}

Value generator(List items) { return Value::list(std::move(items), true); }

Value fallback(const Value& self, const Args& args, Budget&) {
  if (!self.is_undefined() && !(args.flag("boolean") && !truth(self))) return self;
  const Value* value = args.find("default_value");
  return value != nullptr ? *value : Value("");
}

Value length(const Value& self, const Args&, Budget& budget) {
  if (self.is_undefined()) return 0;
  if (const auto* text = self.string()) {
    budget.work(text->size());
    return int64_t(char_count(*text));
  }
  if (self.list() != nullptr && !self.list()->generator) return int64_t(self.list()->items.size());
  if (self.dict() != nullptr) return int64_t(self.dict()->items.size());
  fail("a " + std::string(self.list() != nullptr ? "generator" : self.type_name()) + " has no length");
}

Value first(const Value& self, const Args&, Budget& budget) {
  if (self.list() == nullptr) budget.work(self.extent().weight);
  const ListData* list = self.list();
  if (list != nullptr && !list->items.empty()) return list->items.front();
  const List items = elements_of(self);
  return items.empty() ? Value::undefined("there is no first item") : items.front();
}

Value last(const Value& self, const Args&, Budget& budget) {
  if (self.list() == nullptr) budget.work(self.extent().weight);
  const ListData* list = self.list();
  if (list != nullptr && !list->items.empty()) return list->items.back();
  const List items = elements_of(self);
  return items.empty() ? Value::undefined("there is no last item") : items.back();
}

Value join(const Value& self, const Args& args, Budget& budget) {
  const List items = items_of(self, budget);
  const std::string mark = args.text("d"), path = args.text("attribute");
  budget.memory(items.size() * mark.size());
  std::string result;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) result += mark;
    result += to_text(path.empty() ? items[i] : path_of(items[i], path, budget));
    budget.memory(result.size() > (size_t(1) << 20) ? 1024 : 0);
  }
  return result;
}

Value to_list(const Value& self, const Args&, Budget& budget) { return Value::list(items_of(self, budget)); }

Value pairs(const Value& self, const Args&, Budget& budget) {
  if (self.is_undefined()) return generator({});
  if (self.dict() == nullptr) fail("items needs a mapping, not " + to_repr(self));
  budget.memory(self.extent().weight);
  List result;
  for (const auto& [key, value] : self.dict()->items) result.push_back(Value::list({key, value}));
  return generator(std::move(result));
}

Value attribute(const Value& self, const Args& args, Budget& budget) {
  if (self.dict() != nullptr) return Value::undefined("a dict has no attributes");
  return attribute_of(self, args.text("name"), budget);
}

// The name that stands first among the arguments, and the rest.
std::pair<std::string, Arguments> named_callee(const Arguments& given, size_t at, const char* filter) {
  if (given.positional.size() <= at || given.positional[at].string() == nullptr)
    fail(std::string(filter) + " needs a name");
  Arguments rest = given;
  rest.positional.erase(rest.positional.begin(), rest.positional.begin() + int64_t(at) + 1);
  return {*given.positional[at].string(), std::move(rest)};
}

Value map(const Value& self, const Args& args, Budget& budget) {
  const Arguments& given = args.all();
  List result;
  if (const Value* path = find(given.named, "attribute"); path != nullptr && given.positional.empty()) {
    const Value* missing = find(given.named, "default");
    for (const Value& item : items_of(self, budget)) {
      Value value = path_of(item, to_text(*path), budget);
      if (value.is_undefined() && missing != nullptr) value = *missing;
      budget.memory(value.extent().weight);
      result.push_back(std::move(value));
    }
    return generator(std::move(result));
  }
  const auto [name, rest] = named_callee(given, 0, "map");
  for (const Value& item : items_of(self, budget)) result.push_back(apply_filter(name, item, rest, budget));
  return generator(std::move(result));
}

bool passes(const Value& item, const Arguments& given, size_t at, Budget& budget) {
  if (given.positional.size() <= at) return truth(item);
  const auto [name, rest] = named_callee(given, at, "select");
  return apply_test(name, item, rest, budget);
}

template <bool wanted>
Value select(const Value& self, const Args& args, Budget& budget) {
  List result;
  for (const Value& item : items_of(self, budget)) {
    if (passes(item, args.all(), 0, budget) == wanted) result.push_back(item);
  }
  return generator(std::move(result));
}

template <bool wanted>
Value select_by_attribute(const Value& self, const Args& args, Budget& budget) {
  const auto [path, unused] = named_callee(args.all(), 0, "selectattr");
  List result;
  for (const Value& item : items_of(self, budget)) {
    if (passes(path_of(item, path, budget), args.all(), 1, budget) == wanted) result.push_back(item);
  }
  return generator(std::move(result));
}

// What an item is ordered by: itself or an attribute, without case unless that matters.
Value sort_key(const Value& item, const Args& args, Budget& budget) {
  const std::string path = args.text("attribute");
  Value key = path.empty() ? item : path_of(item, path, budget);
  if (key.string() != nullptr && !args.flag("case_sensitive")) return lower(*key.string());
  return key;
}

using Keyed = std::vector<std::pair<Value, Value>>;  // key, item

Value ordered(Keyed items, bool reverse, Budget& budget) {
  uint64_t weight = 0;
  for (const auto& item : items) weight += item.first.extent().weight;
  budget.work(weight * 32);
  std::stable_sort(items.begin(), items.end(), [&](const auto& a, const auto& b) {
    if (equals(a.first, b.first)) return false;  // without an order being needed
    return reverse ? less(b.first, a.first) : less(a.first, b.first);
  });
  List result;
  for (auto& item : items) result.push_back(std::move(item.second));
  return Value::list(std::move(result));
}

Value sort(const Value& self, const Args& args, Budget& budget) {
  Keyed items;
  for (const Value& item : items_of(self, budget)) items.emplace_back(sort_key(item, args, budget), item);
  return ordered(std::move(items), args.flag("reverse"), budget);
}

Value sort_dict(const Value& self, const Args& args, Budget& budget) {
  if (self.dict() == nullptr) fail("dictsort needs a mapping, not " + to_repr(self));
  const bool by_value = args.text("by", "key") == "value";
  Keyed items;
  for (const auto& [key, value] : self.dict()->items)
    items.emplace_back(sort_key(by_value ? value : Value(key), args, budget), Value::list({key, value}));
  return ordered(std::move(items), args.flag("reverse"), budget);
}

Value unique(const Value& self, const Args& args, Budget& budget) {
  List keys, result;
  for (const Value& item : items_of(self, budget)) {
    const Value key = sort_key(item, args, budget);
    budget.work(key.extent().weight * (keys.size() + 1));
    if (std::any_of(keys.begin(), keys.end(), [&](const Value& known) { return equals(known, key); }))
      continue;
    keys.push_back(key);
    result.push_back(item);
  }
  return generator(std::move(result));
}

Value reverse(const Value& self, const Args&, Budget& budget) {
  List items = items_of(self, budget);
  std::reverse(items.begin(), items.end());
  if (self.string() == nullptr) return generator(std::move(items));
  std::string text;
  for (const Value& c : items) text += *c.string();
  return text;
}

Value batch(const Value& self, const Args& args, Budget& budget) {
  const int64_t count = args.integer("linecount", 0);
  if (count < 1) fail("batch needs a size of at least 1");
  const List items = items_of(self, budget);
  List result;
  for (size_t at = 0; at < items.size(); at += size_t(count)) {
    const size_t end = std::min(items.size(), at + size_t(count));
    List row(items.begin() + int64_t(at), items.begin() + int64_t(end));
    if (const Value* fill = args.find("fill_with"); fill != nullptr && !fill->is_none()) {
      budget.memory(uint64_t(count) * fill->extent().weight);
      row.resize(size_t(count), *fill);
    }
    result.push_back(Value::list(std::move(row)));
  }
  return generator(std::move(result));
}

Value sum(const Value& self, const Args& args, Budget& budget) {
  const std::string path = args.text("attribute");
  int64_t whole = args.integer("start", 0);
  double real = 0;
  bool is_real = false;
  for (const Value& item : items_of(self, budget)) {
    const Value value = path.empty() ? item : path_of(item, path, budget);
    if (!value.number()) fail("sum needs numbers, not " + to_repr(value));
    if (!value.integer()) {
      is_real = true;
      real += *value.number();
    } else if (__builtin_add_overflow(whole, *value.integer(), &whole)) {
      fail("sum: a number becomes too large");
    }
  }
  return is_real ? Value(real + double(whole)) : Value(whole);
}

template <bool largest>
Value extreme(const Value& self, const Args& args, Budget& budget) {
  const List items = items_of(self, budget);
  if (items.empty()) return Value::undefined("an empty sequence has no extremes");
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    const Value key = sort_key(items[i], args, budget), of_best = sort_key(items[best], args, budget);
    if (largest ? less(of_best, key) : less(key, of_best)) best = i;
  }
  return items[best];
}

}  // namespace

const std::vector<Builtin>& sequence_filters() {
  static const std::vector<Builtin> table = {
      {"default", "default_value boolean", fallback},
      {"d", "default_value boolean", fallback},
      {"length", "", length},
      {"count", "", length},
      {"first", "", first},
      {"last", "", last},
      {"join", "d attribute", join},
      {"list", "", to_list},
      {"items", "", pairs},
      {"attr", "name", attribute},
      {"map", "*", map},
      {"select", "*", select<true>},
      {"reject", "*", select<false>},
      {"selectattr", "*", select_by_attribute<true>},
      {"rejectattr", "*", select_by_attribute<false>},
      {"sort", "reverse case_sensitive attribute", sort},
      {"dictsort", "case_sensitive by reverse", sort_dict},
      {"unique", "case_sensitive attribute", unique},
      {"reverse", "", reverse},
      {"batch", "linecount fill_with", batch},
      {"sum", "attribute start", sum},
      {"min", "case_sensitive attribute", extreme<false>},
      {"max", "case_sensitive attribute", extreme<true>},
  };
  return table;
}

}  // namespace vulcap::chat
