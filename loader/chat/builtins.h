// Jinja's filters, tests, global functions and the methods of Python's types, as far as chat templates use
// them. What is not here fails with its name.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/chat/budget.h"
#include "loader/chat/value.h"

namespace vulcap::chat {

// Arguments bound to the names of parameters.
class Args {
 public:
  // `parameters`: names with spaces between; "*" takes everything. Fails for arguments beyond them.
  Args(std::string_view callee, std::string_view parameters, const Arguments& given);

  const Value* find(std::string_view name) const;  // null where it is not given
  const Value& require(std::string_view name) const;
  std::string text(std::string_view name, std::string_view fallback = "") const;
  int64_t integer(std::string_view name, int64_t fallback) const;
  bool flag(std::string_view name, bool fallback = false) const;
  const Arguments& all() const { return given_; }

 private:
  std::string_view callee_;
  const Arguments& given_;
  std::vector<std::pair<std::string_view, const Value*>> bound_;
};

struct Builtin {
  std::string_view name;
  std::string_view parameters;  // of Args
  Value (*apply)(const Value& self, const Args& args, Budget& budget);
};

// All of these fail for names and arguments that do not exist.
Value apply_filter(std::string_view name, const Value& self, const Arguments& arguments, Budget& budget);
bool apply_test(std::string_view name, const Value& self, const Arguments& arguments, Budget& budget);
// value.name as a method of str, dict or list; nothing where the type has no such method.
std::optional<Value> bound_method(const Value& self, std::string_view name, Budget& budget);
// range, dict, raise_exception and strftime_now (which tells `now`).
Dict global_functions(const std::tm& now, Budget& budget);

// The entries that dict(...) and namespace(...) are given.
Dict entries_of(const Arguments& given);

// value.name and value[key] with Jinja's rules: what is missing is undefined, and of an undefined nothing
// can be asked.
Value attribute_of(const Value& value, std::string_view name, Budget& budget);
Value item_of(const Value& value, const Value& key, Budget& budget);
// Through a path like "function.name" or "0.role".
Value path_of(const Value& value, std::string_view path, Budget& budget);
// Elements, characters or keys. Fails for what cannot be iterated.
List elements_of(const Value& value);
bool contains(const Value& container, const Value& item);
// The parts of a sequence between two bounds; absent bounds are none.
Value slice_of(const Value& value, const Value& first, const Value& last, const Value& step, Budget& budget);
// text % values.
std::string format_percent(const std::string& text, const List& values);

// One table a file.
const std::vector<Builtin>& text_filters();
const std::vector<Builtin>& sequence_filters();
const std::vector<Builtin>& string_methods();

}  // namespace vulcap::chat
