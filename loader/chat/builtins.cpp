#include "loader/chat/builtins.h"

#include <algorithm>

#include "loader/chat/text.h"
#include "runtime/core/error.h"

namespace vulcap::chat {
namespace {

const Builtin* find_row(const std::vector<Builtin>& table, std::string_view name) {
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const Builtin& one) { return one.name == name; });
  return row == table.end() ? nullptr : &*row;
}

Value dict_keys(const Value& self, const Args&, Budget&) { return Value::list(elements_of(self)); }

Value dict_values(const Value& self, const Args&, Budget&) {
  List values;
  for (const auto& item : self.dict()->items) values.push_back(item.second);
  return Value::list(std::move(values));
}

Value dict_items(const Value& self, const Args&, Budget&) {
  List pairs;
  for (const auto& [key, value] : self.dict()->items) pairs.push_back(Value::list({key, value}));
  return Value::list(std::move(pairs));
}

Value dict_get(const Value& self, const Args& args, Budget&) {
  const std::string* key = args.require("key").string();
  const Value* found = key != nullptr ? find(self.dict()->items, *key) : nullptr;
  if (found != nullptr) return *found;
  const Value* fallback = args.find("default");
  return fallback != nullptr ? *fallback : Value(nullptr);
}

Value copy(const Value& self, const Args&, Budget&) { return self; }

Value list_count(const Value& self, const Args& args, Budget&) {
  const auto& items = self.list()->items;
  const Value& wanted = args.require("value");
  return int64_t(
      std::count_if(items.begin(), items.end(), [&](const Value& item) { return equals(item, wanted); }));
}

Value list_index(const Value& self, const Args& args, Budget&) {
  const auto& items = self.list()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    if (equals(items[i], args.require("value"))) return int64_t(i);
  }
  fail("index: the list does not hold " + to_repr(args.require("value")));
}

Value forbidden(const Value&, const Args&, Budget&) {
  fail("lists and dictionaries cannot be changed in a chat template");
}

const std::vector<Builtin>& dict_methods() {
  static const std::vector<Builtin> table = {
      {"keys", "", dict_keys},   {"values", "", dict_values},
      {"items", "", dict_items}, {"get", "key default", dict_get},
      {"copy", "", copy},        {"update", "*", forbidden},
      {"pop", "*", forbidden},   {"setdefault", "*", forbidden},
      {"clear", "*", forbidden}, {"popitem", "*", forbidden},
  };
  return table;
}

const std::vector<Builtin>& list_methods() {
  static const std::vector<Builtin> table = {
      {"count", "value", list_count}, {"index", "value", list_index}, {"copy", "", copy},
      {"append", "*", forbidden},     {"extend", "*", forbidden},     {"insert", "*", forbidden},
      {"pop", "*", forbidden},        {"remove", "*", forbidden},     {"reverse", "*", forbidden},
      {"sort", "*", forbidden},       {"clear", "*", forbidden},
  };
  return table;
}

Value loop_attribute(const std::shared_ptr<Loop>& loop, std::string_view name, Budget& budget) {
  const auto index = int64_t(loop->index), length = int64_t(loop->items.items.size());
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "revindex") return length - index;
  if (name == "revindex0") return length - index - 1;
  if (name == "first") return index == 0;
  if (name == "last") return index == length - 1;
  if (name == "length") return length;
  if (name == "depth") return loop->depth0 + 1;
  if (name == "depth0") return loop->depth0;
  if (name == "previtem")
    return index > 0 ? loop->items.items[size_t(index - 1)] : Value::undefined("there is no previous item");
  if (name == "nextitem")
    return index + 1 < length ? loop->items.items[size_t(index + 1)]
                              : Value::undefined("there is no next item");
  if (name == "cycle") {
    return Value::function([loop](const Arguments& arguments) -> Value {
      if (arguments.positional.empty()) fail("loop.cycle needs values");
      return arguments.positional[loop->index % arguments.positional.size()];
    });
  }
  if (name == "changed") {
    return Value::function([loop, &budget](const Arguments& arguments) -> Value {
      for (const Value& value : arguments.positional) budget.work(value.extent().weight);
      const bool same =
          loop->last_changed && equals(Value::list(*loop->last_changed), Value::list(arguments.positional));
      loop->last_changed = arguments.positional;
      return !same;
    });
  }
  return Value::undefined("loop has no '" + std::string(name) + "'");
}

std::string missing(const Value& value, const std::string& what) {
  return "the " + std::string(value.type_name()) + " has no " + what;
}

// Python's clipping of slice bounds.
int64_t bound_of(const Value& bound, int64_t fallback, int64_t lowest, int64_t highest, int64_t length) {
  if (bound.is_none()) return fallback;
  if (!bound.integer()) fail("a slice needs integers, not " + to_repr(bound));
  const int64_t given = *bound.integer();
  return std::clamp(given < 0 ? given + length : given, lowest, highest);
}

}  // namespace

void Budget::exceeded(const char* what) {
  throw core::Error(core::ErrorCode::kInvalidModel, std::string("the template ") + what);
}

Args::Args(std::string_view callee, std::string_view parameters, const Arguments& given)
    : callee_(callee), given_(given) {
  if (parameters == "*") return;
  const std::vector<std::string> names = split(parameters, "", -1, false);
  if (given.positional.size() > names.size())
    fail(std::string(callee) + " takes at most " + std::to_string(names.size()) + " arguments");
  size_t begin = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    begin = parameters.find(names[i], begin);
    const std::string_view name = parameters.substr(begin, names[i].size());
    begin += name.size();
    const Value* named = chat::find(given.named, name);
    if (i < given.positional.size()) {
      bound_.emplace_back(name, &given.positional[i]);
    } else if (named != nullptr) {
      bound_.emplace_back(name, named);
    }
  }
  for (const auto& named : given.named) {
    if (std::find(names.begin(), names.end(), named.first) == names.end())
      fail(std::string(callee) + " has no argument '" + named.first + "'");
  }
}

const Value* Args::find(std::string_view name) const {
  const auto found =
      std::find_if(bound_.begin(), bound_.end(), [&](const auto& one) { return one.first == name; });
  return found == bound_.end() ? nullptr : found->second;
}

const Value& Args::require(std::string_view name) const {
  const Value* value = find(name);
  if (value == nullptr) fail(std::string(callee_) + " needs the argument '" + std::string(name) + "'");
  return *value;
}

std::string Args::text(std::string_view name, std::string_view fallback) const {
  const Value* value = find(name);
  if (value == nullptr) return std::string(fallback);
  require_defined(*value);
  return to_text(*value);
}

int64_t Args::integer(std::string_view name, int64_t fallback) const {
  const Value* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->integer())
    fail(std::string(callee_) + ": '" + std::string(name) + "' must be an integer, not " + to_repr(*value));
  return *value->integer();
}

bool Args::flag(std::string_view name, bool fallback) const {
  const Value* value = find(name);
  return value == nullptr ? fallback : truth(*value);
}

std::optional<Value> bound_method(const Value& self, std::string_view name, Budget& budget) {
  const Builtin* row = nullptr;
  if (self.string() != nullptr) row = find_row(string_methods(), name);
  if (self.dict() != nullptr) row = find_row(dict_methods(), name);
  if (self.list() != nullptr && !self.list()->generator) row = find_row(list_methods(), name);
  if (row == nullptr) return std::nullopt;
  return Value::function(
      [self, row, &budget](const Arguments& arguments) {
        budget.work(self.string() != nullptr ? self.extent().weight : 32);
        return row->apply(self, Args(row->name, row->parameters, arguments), budget);
      },
      self);
}

Value attribute_of(const Value& value, std::string_view name, Budget& budget) {
  require_defined(value);
  if (auto method = bound_method(value, name, budget)) return *method;
  if (const auto* loop = value.as<std::shared_ptr<Loop>>()) return loop_attribute(*loop, name, budget);
  const Value* found = nullptr;
  if (const DictData* dict = value.dict()) found = find(dict->items, name);
  if (const Namespace* space = value.name_space()) found = find(space->items, name);
  return found != nullptr ? *found : Value::undefined(missing(value, "'" + std::string(name) + "'"));
}

Value item_of(const Value& value, const Value& key, Budget& budget) {
  require_defined(value);
  if (const auto* name = key.string()) {
    const Value* found = value.dict() != nullptr ? find(value.dict()->items, *name) : nullptr;
    return found != nullptr ? *found : attribute_of(value, *name, budget);
  }
  const bool indexed = value.string() != nullptr || (value.list() != nullptr && !value.list()->generator);
  if (indexed && key.integer()) {
    if (value.string() != nullptr) budget.work(value.extent().weight);
    const auto length = value.list() != nullptr ? value.list()->items.size() : char_count(*value.string());
    int64_t index = *key.integer();
    if (index < 0) index += int64_t(length);
    if (index >= 0 && index < int64_t(length)) {
      if (value.list() != nullptr) return value.list()->items[size_t(index)];
      return characters(*value.string())[size_t(index)];
    }
  }
  return Value::undefined(missing(value, "item " + to_repr(key)));
}

Value path_of(const Value& value, std::string_view path, Budget& budget) {
  Value result = value;
  for (const std::string& part : split(path, ".", -1, false)) {
    const bool number =
        !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    result = item_of(result, number ? Value(int64_t(std::stoll(part))) : Value(part), budget);
  }
  return result;
}

List elements_of(const Value& value) {
  List items;
  if (value.is_undefined()) return items;
  if (const ListData* list = value.list()) return list->items;
  if (const DictData* dict = value.dict()) {
    for (const auto& item : dict->items) items.emplace_back(item.first);
    return items;
  }
  if (const auto* text = value.string()) {
    for (const std::string_view c : characters(*text)) items.emplace_back(c);
    return items;
  }
  fail("a " + std::string(value.type_name()) + " cannot be iterated");
}

bool contains(const Value& container, const Value& item) {
  if (const auto* text = container.string()) {
    require_defined(item);
    if (item.string() == nullptr) fail("'in <string>' needs a string, not " + to_repr(item));
    return text->find(*item.string()) != std::string::npos;
  }
  if (const DictData* dict = container.dict())
    return item.string() != nullptr && find(dict->items, *item.string()) != nullptr;
  const List items = elements_of(container);
  return std::any_of(items.begin(), items.end(), [&](const Value& one) { return equals(one, item); });
}

Value slice_of(const Value& value, const Value& first, const Value& last, const Value& step, Budget& budget) {
  require_defined(value);
  const auto* text = value.string();
  if (text == nullptr && (value.list() == nullptr || value.list()->generator)) fail(missing(value, "slices"));
  if (text != nullptr) budget.work(value.extent().weight);
  const List items = elements_of(value);
  budget.memory(32 * items.size());
  const auto length = int64_t(items.size());
  const int64_t stride = step.is_none() ? 1 : step.integer().value_or(0);
  if (stride == 0) fail("a slice needs a step that is an integer and not 0");
  const bool forward = stride > 0;
  const int64_t lowest = forward ? 0 : -1, highest = forward ? length : length - 1;
  const int64_t begin = bound_of(first, forward ? 0 : length - 1, lowest, highest, length);
  const int64_t end = bound_of(last, forward ? length : -1, lowest, highest, length);
  List kept;
  const int64_t jump = std::clamp(stride, -length - 1, length + 1);
  for (int64_t i = begin; forward ? i < end : i > end; i += jump) kept.push_back(items[size_t(i)]);
  if (text == nullptr) return Value::list(std::move(kept));
  std::string result;
  for (const Value& c : kept) result += *c.string();
  return result;
}

Value apply_filter(std::string_view name, const Value& self, const Arguments& arguments, Budget& budget) {
  const Builtin* row = find_row(text_filters(), name);
  if (row == nullptr) row = find_row(sequence_filters(), name);
  if (row == nullptr) fail("there is no filter '" + std::string(name) + "'");
  Value result = row->apply(self, Args(row->name, row->parameters, arguments), budget);
  return result;
}

}  // namespace vulcap::chat
