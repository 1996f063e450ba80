// Jinja's tests, and the functions that every template may call.
#include <algorithm>

#include "loader/chat/builtins.h"
#include "loader/chat/text.h"

namespace vulcap::chat {
namespace {

using Test = bool (*)(const Value& self, const Args& args, Budget& budget);

struct TestRow {
  std::string_view name;
  std::string_view parameters;
  Test holds;
};

int64_t whole(const Value& value) {
  if (!value.integer()) fail("the test needs an integer, not " + to_repr(value));
  return *value.integer();
}

bool is_equal(const Value& self, const Args& args, Budget& budget) {
  budget.work(self.extent().weight);
  return equals(self, args.require("other"));
}
bool is_less(const Value& self, const Args& args, Budget&) { return less(self, args.require("other")); }
bool is_greater(const Value& self, const Args& args, Budget&) { return less(args.require("other"), self); }

bool is_same(const Value& self, const Args& args, Budget& budget) {
  const Value& other = args.require("other");
  return self.data().index() == other.data().index() && is_equal(self, args, budget);
}

bool is_in(const Value& self, const Args& args, Budget& budget) {
  budget.work(args.require("seq").extent().weight);
  return contains(args.require("seq"), self);
}

bool is_true(const Value& self, const Args&, Budget&) {
  return self.as<bool>() != nullptr && *self.as<bool>();
}
bool is_false(const Value& self, const Args&, Budget&) {
  return self.as<bool>() != nullptr && !*self.as<bool>();
}

bool is_sequence(const Value& self) {
  return self.string() != nullptr || self.dict() != nullptr || self.is_undefined() ||
         (self.list() != nullptr && !self.list()->generator);
}

bool divides(const Value& self, const Args& args, Budget&) {
  const int64_t divisor = whole(args.require("num"));
  if (divisor == 0) fail("divisibleby: the divisor is 0");
  return divisor == -1 || whole(self) % divisor == 0;
}

const std::vector<TestRow>& test_table() {
  using V = const Value&;
  using A = const Args&;
  using B = Budget&;
  static const std::vector<TestRow> table = {
      {"defined", "", [](V v, A, B) { return !v.is_undefined(); }},
      {"undefined", "", [](V v, A, B) { return v.is_undefined(); }},
      {"none", "", [](V v, A, B) { return v.is_none(); }},
      {"boolean", "", [](V v, A, B) { return v.as<bool>() != nullptr; }},
      {"true", "", is_true},
      {"false", "", is_false},
      {"integer", "", [](V v, A, B) { return v.as<int64_t>() != nullptr; }},
      {"float", "", [](V v, A, B) { return v.as<double>() != nullptr; }},
      {"number", "", [](V v, A, B) { return v.is_number(); }},
      {"string", "", [](V v, A, B) { return v.string() != nullptr; }},
      {"mapping", "", [](V v, A, B) { return v.dict() != nullptr; }},
      {"sequence", "", [](V v, A, B) { return is_sequence(v); }},
      {"iterable", "",
       [](V v, A, B) { return is_sequence(v) || v.list() != nullptr || v.loop() != nullptr; }},
      {"callable", "",
       [](V v, A, B) { return v.is_undefined() || v.function() != nullptr || v.loop() != nullptr; }},
      {"lower", "", [](V v, A, B) { return is_lower(to_text(v)); }},
      {"upper", "", [](V v, A, B) { return is_upper(to_text(v)); }},
      {"even", "", [](V v, A, B) { return whole(v) % 2 == 0; }},
      {"odd", "", [](V v, A, B) { return whole(v) % 2 != 0; }},
      {"divisibleby", "num", divides},
      {"in", "seq", is_in},
      {"sameas", "other", is_same},
      {"eq", "other", is_equal},
      {"equalto", "other", is_equal},
      {"==", "other", is_equal},
      {"ne", "other", [](V v, A a, B b) { return !is_equal(v, a, b); }},
      {"!=", "other", [](V v, A a, B b) { return !is_equal(v, a, b); }},
      {"lt", "other", is_less},
      {"lessthan", "other", is_less},
      {"<", "other", is_less},
      {"gt", "other", is_greater},
      {"greaterthan", "other", is_greater},
      {">", "other", is_greater},
      {"le", "other", [](V v, A a, B b) { return !is_greater(v, a, b); }},
      {"<=", "other", [](V v, A a, B b) { return !is_greater(v, a, b); }},
      {"ge", "other", [](V v, A a, B b) { return !is_less(v, a, b); }},
      {">=", "other", [](V v, A a, B b) { return !is_less(v, a, b); }},
  };
  return table;
}

// range as in the sandbox: at most 100,000 numbers.
Value range(const Arguments& given, Budget& budget) {
  const Args args("range", "a b step", given);
  const bool both = args.find("b") != nullptr;
  const int64_t begin = both ? args.integer("a", 0) : 0, end = args.integer(both ? "b" : "a", 0);
  const int64_t step = args.integer("step", 1);
  args.require("a");
  if (step == 0) fail("range: the step is 0");
  constexpr int64_t kMost = 100'000;
  List numbers;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (int64_t(numbers.size()) == kMost) fail("range has more than 100,000 numbers");
    numbers.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  budget.memory(32 * numbers.size());
  return Value::list(std::move(numbers));
}

Value format_time(const Arguments& given, const std::tm& now) {
  const std::string format = Args("strftime_now", "format", given).text("format");
  if (format.size() > 1000) fail("strftime_now: the format is too long");
  std::string text(16 * format.size() + 64, '\0');
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &now));
  return text;
}

}  // namespace

Dict entries_of(const Arguments& given) {
  Dict entries;
  for (const Value& value : given.positional) {
    if (value.dict() == nullptr) fail("dict and namespace take mappings, not " + to_repr(value));
    entries = value.dict()->items;
  }
  for (const auto& [key, value] : given.named) assign(entries, key, value);
  return entries;
}

bool apply_test(std::string_view name, const Value& self, const Arguments& arguments, Budget& budget) {
  const auto& table = test_table();
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const TestRow& one) { return one.name == name; });
  if (row == table.end()) fail("there is no test '" + std::string(name) + "'");
  return row->holds(self, Args(row->name, row->parameters, arguments), budget);
}

Dict global_functions(const std::tm& now, Budget& budget) {
  return {
      {"range", Value::function([&budget](const Arguments& given) { return range(given, budget); })},
      {"dict", Value::function([](const Arguments& given) { return Value::dict(entries_of(given)); })},
      {"raise_exception", Value::function([](const Arguments& given) -> Value {
         fail("the template refuses the messages: " +
              Args("raise_exception", "message", given).text("message"));
       })},
      {"strftime_now", Value::function([now](const Arguments& given) { return format_time(given, now); })},
  };
}

}  // namespace vulcap::chat
