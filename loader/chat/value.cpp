#include "loader/chat/value.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "runtime/core/error.h"

namespace vulcap::chat {
namespace {

constexpr int kMaxDepth = 100;
constexpr uint64_t kMaxWeight = uint64_t(1) << 28;

void check_depth(int depth) {
  if (depth > kMaxDepth) fail("a value nests deeper than " + std::to_string(kMaxDepth) + " levels");
}

void put_below(Extent& extent, const Value& item, size_t own_bytes = 0) {
  const Extent below = item.extent();
  extent.depth = std::max(extent.depth, below.depth + 1);
  extent.weight += below.weight + own_bytes;
  check_depth(extent.depth);
  if (extent.weight > kMaxWeight) fail("a value becomes too large");
}

bool equal_dicts(const Dict& a, const Dict& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const auto& item) {
           const Value* other = find(b, item.first);
           return other != nullptr && equals(item.second, *other);
         });
}

// The first items that differ decide; those that are equal need no order.
bool less_lists(const List& a, const List& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end(), equals);
  if (in_a == a.end() || in_b == b.end()) return in_b != b.end();
  return less(*in_a, *in_b);
}

}  // namespace

void fail(const std::string& message) { throw core::Error(core::ErrorCode::kRuntime, message); }

void require_defined(const Value& value) {
  if (const auto* undefined = value.as<Undefined>()) fail(undefined->reason);
}

Value Value::list(List items, bool generator) {
  Extent extent{1};
  for (const Value& item : items) put_below(extent, item);
  Value value;
  value.data_ = std::make_shared<const ListData>(ListData{std::move(items), extent, generator});
  return value;
}

Value Value::dict(Dict items) {
  Extent extent{1};
  for (const auto& [key, item] : items) put_below(extent, item, 32 + key.size());
  Value value;
  value.data_ = std::make_shared<const DictData>(DictData{std::move(items), extent});
  return value;
}

Value Value::function(std::function<Value(const Arguments&)> call, const Value& holds) {
  Extent extent{1};
  put_below(extent, holds);
  Value value;
  value.data_ = std::make_shared<const Function>(Function{std::move(call), extent});
  return value;
}

Value Value::undefined(std::string reason) {
  Value value;
  value.data_ = Undefined{std::move(reason)};
  return value;
}

const ListData* Value::list() const {
  const auto* pointer = as<std::shared_ptr<const ListData>>();
  return pointer != nullptr ? pointer->get() : nullptr;
}

const DictData* Value::dict() const {
  const auto* pointer = as<std::shared_ptr<const DictData>>();
  return pointer != nullptr ? pointer->get() : nullptr;
}

const Function* Value::function() const {
  const auto* pointer = as<std::shared_ptr<const Function>>();
  return pointer != nullptr ? pointer->get() : nullptr;
}

Namespace* Value::name_space() const {
  const auto* pointer = as<std::shared_ptr<Namespace>>();
  return pointer != nullptr ? pointer->get() : nullptr;
}

Loop* Value::loop() const {
  const auto* pointer = as<std::shared_ptr<Loop>>();
  return pointer != nullptr ? pointer->get() : nullptr;
}

bool Value::is_number() const { return number().has_value(); }

std::optional<int64_t> Value::integer() const {
  if (const auto* value = as<int64_t>()) return *value;
  if (const auto* value = as<bool>()) return int64_t(*value);
  return std::nullopt;
}

std::optional<double> Value::number() const {
  if (const auto* value = as<double>()) return *value;
  if (const auto value = integer()) return double(*value);
  return std::nullopt;
}

Extent Value::extent() const {
  if (const auto* text = string()) return {0, 32 + text->size()};
  if (const ListData* data = list()) return data->extent;
  if (const DictData* data = dict()) return data->extent;
  if (const Function* data = function()) return data->extent;
  if (const Loop* data = loop()) return data->items.extent;
  return {};
}

std::string_view Value::type_name() const {
  constexpr std::array<std::string_view, std::variant_size_v<Data>> kNames = {
      "Undefined", "NoneType", "bool",     "int",       "float", "str",
      "list",      "dict",     "function", "Namespace", "loop"};
  return kNames[data_.index()];
}

const Value* find(const Dict& dict, std::string_view key) {
  const auto found =
      std::find_if(dict.begin(), dict.end(), [&](const auto& item) { return item.first == key; });
  return found == dict.end() ? nullptr : &found->second;
}

void assign(Dict& dict, std::string_view key, Value value) {
  const auto found =
      std::find_if(dict.begin(), dict.end(), [&](const auto& item) { return item.first == key; });
  if (found == dict.end()) {
    dict.emplace_back(key, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

Value from_json(const nlohmann::ordered_json& json, int depth) {
  check_depth(depth);
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t(INT64_MAX))
    fail("the number " + json.dump() + " is too large");
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_array()) {
    List items;
    for (const auto& item : json) items.push_back(from_json(item, depth + 1));
    return Value::list(std::move(items));
  }
  if (json.is_object()) {
    Dict items;
    for (const auto& item : json.items()) items.emplace_back(item.key(), from_json(item.value(), depth + 1));
    return Value::dict(std::move(items));
  }
  return nullptr;
}

bool truth(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (const auto number = value.number()) return *number != 0;
  if (const auto* text = value.string()) return !text->empty();
  if (const ListData* list = value.list()) return list->generator || !list->items.empty();
  if (const DictData* dict = value.dict()) return !dict->items.empty();
  return true;
}

bool equals(const Value& a, const Value& b) {
  if (a.integer() && b.integer()) return *a.integer() == *b.integer();
  if (a.is_number() && b.is_number()) return *a.number() == *b.number();
  if (a.data().index() != b.data().index()) return false;
  if (a.is_undefined() || a.is_none()) return true;
  if (const auto* text = a.string()) return *text == *b.string();
  if (const ListData* list = a.list())
    return std::equal(list->items.begin(), list->items.end(), b.list()->items.begin(), b.list()->items.end(),
                      equals);
  if (const DictData* dict = a.dict()) return equal_dicts(dict->items, b.dict()->items);
  if (a.function() != nullptr) return a.function() == b.function();
  return a.name_space() == b.name_space() && a.loop() == b.loop();
}

bool less(const Value& a, const Value& b) {
  require_defined(a);
  require_defined(b);
  if (a.integer() && b.integer()) return *a.integer() < *b.integer();
  if (a.is_number() && b.is_number()) return *a.number() < *b.number();
  if (a.string() != nullptr && b.string() != nullptr) return *a.string() < *b.string();
  if (a.list() != nullptr && b.list() != nullptr) return less_lists(a.list()->items, b.list()->items);
  fail("a " + std::string(a.type_name()) + " and a " + std::string(b.type_name()) + " have no order");
}

}  // namespace vulcap::chat
