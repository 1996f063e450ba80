// Values of a chat template while it is rendered: Python's, as far as Jinja templates meet them. Lists and
// dictionaries never change after they are made (transformers renders in a sandbox that forbids it); only a
// namespace() does. Depth and weight are limited, so that walking over a value needs no guard.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace vulcap::chat {

class Value;
using List = std::vector<Value>;
using Dict = std::vector<std::pair<std::string, Value>>;  // in order of insertion

// What a lookup that found nothing gives: prints as "", is false, and fails when more is asked of it.
struct Undefined {
  std::string reason;  // "'tools' is undefined"
};

struct Arguments {
  List positional;
  Dict named;
};

// How large a value is when everything below it is counted each time that it occurs.
struct Extent {
  int depth = 0;
  uint64_t weight = 32;  // roughly bytes
};

struct ListData {
  List items;
  Extent extent;
  bool generator = false;  // what a filter like select yields: always true, without a length
};
struct DictData {
  Dict items;
  Extent extent;
};
struct Function {
  std::function<Value(const Arguments&)> call;
  Extent extent;
};
struct Namespace {
  Dict items;
};
// `loop` inside a for block.
struct Loop {
  ListData items;
  size_t index = 0;
  int depth0 = 0;
  std::function<Value(const Value& items, int depth0)> recurse;  // of a recursive loop
  std::optional<List> last_changed;
};

class Value {
 public:
  using Data =
      std::variant<Undefined, std::nullptr_t, bool, int64_t, double, std::string,
                   std::shared_ptr<const ListData>, std::shared_ptr<const DictData>,
                   std::shared_ptr<const Function>, std::shared_ptr<Namespace>, std::shared_ptr<Loop>>;

  Value() = default;  // undefined
  Value(std::nullptr_t) : data_(nullptr) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(int64_t(value)) {}
  Value(int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::shared_ptr<Namespace> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Loop> value) : data_(std::move(value)) {}
  // These throw core::Error when the value becomes too large.
  static Value list(List items, bool generator = false);
  static Value dict(Dict items);
  // `holds`: what the function keeps alive.
  static Value function(std::function<Value(const Arguments&)> call, const Value& holds = nullptr);
  static Value undefined(std::string reason);

  template <typename T>
  const T* as() const {
    return std::get_if<T>(&data_);
  }
  const ListData* list() const;
  const DictData* dict() const;
  const Function* function() const;
  Namespace* name_space() const;
  Loop* loop() const;
  const std::string* string() const { return as<std::string>(); }
  bool is_undefined() const { return as<Undefined>() != nullptr; }
  bool is_none() const { return as<std::nullptr_t>() != nullptr; }
  bool is_number() const;  // int, float or bool
  // An int or a bool.
  std::optional<int64_t> integer() const;
  // A number of any kind.
  std::optional<double> number() const;
  const Data& data() const { return data_; }
  Extent extent() const;
  // As Python names the type: "str", "NoneType", ...
  std::string_view type_name() const;

 private:
  Data data_;
};

const Value* find(const Dict& dict, std::string_view key);
void assign(Dict& dict, std::string_view key, Value value);

// Throws core::Error: numbers beyond 64 bits, nesting too deep.
Value from_json(const nlohmann::ordered_json& json, int depth = 0);

bool truth(const Value& value);
// As in Python: 1 == 1.0 == true; an undefined equals any other.
bool equals(const Value& a, const Value& b);
// a < b; throws core::Error for what has no order.
bool less(const Value& a, const Value& b);
// Python's str() and repr().
std::string to_text(const Value& value);
std::string to_repr(const Value& value);

struct JsonStyle {
  bool ascii = false;
  std::optional<std::string> indent;  // of one level
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
// Python's json.dumps. Throws core::Error for what JSON does not have.
std::string to_json(const Value& value, const JsonStyle& style);

// A core::Error(kRuntime) without a place; the evaluator adds the line.
[[noreturn]] void fail(const std::string& message);
// Fails where `value` is undefined, with its reason.
void require_defined(const Value& value);

}  // namespace vulcap::chat
