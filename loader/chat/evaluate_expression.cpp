#include <cmath>
#include <limits>

#include "loader/chat/builtins.h"
#include "loader/chat/evaluator.h"

namespace vulcap::chat {
namespace {

std::string kind_of(const Value& value) { return "a " + std::string(value.type_name()); }

[[noreturn]] void cannot(const std::string& name, const Value& a, const Value& b) {
  require_defined(a);
  require_defined(b);
  fail("'" + name + "' is not possible between " + kind_of(a) + " and " + kind_of(b));
}

int64_t floor_division(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a % b < 0) != (b < 0) ? quotient - 1 : quotient;
}

int64_t power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(result, base, &result)) fail("'**': a number becomes too large");
    if (base == 0 || base == 1) break;
  }
  return result;
}

Value integers(const std::string& name, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if ((name == "/" || name == "//" || name == "%") && b == 0) fail("division by zero");
  if (name == "/") return double(a) / double(b);
  const bool beyond = a == std::numeric_limits<int64_t>::min() && b == -1;
  if (name == "+") overflow = __builtin_add_overflow(a, b, &result);
  if (name == "-") overflow = __builtin_sub_overflow(a, b, &result);
  if (name == "*") overflow = __builtin_mul_overflow(a, b, &result);
  if (name == "//") overflow = beyond || (result = floor_division(a, b), false);
  if (name == "%") result = beyond ? 0 : a - floor_division(a, b) * b;
  if (name == "**") {
    if (b < 0) return std::pow(double(a), double(b));
    result = power(a, b);
  }
  if (overflow) fail("'" + name + "': a number becomes too large");
  return result;
}

Value reals(const std::string& name, double a, double b) {
  if ((name == "/" || name == "//" || name == "%") && b == 0) fail("division by zero");
  if (name == "+") return a + b;
  if (name == "-") return a - b;
  if (name == "*") return a * b;
  if (name == "/") return a / b;
  if (name == "//") return std::floor(a / b);
  if (name == "%") return a - std::floor(a / b) * b;
  return std::pow(a, b);
}

Value repeated(const Value& value, int64_t count, Budget& budget) {
  const auto times = uint64_t(std::max<int64_t>(count, 0));
  const uint64_t bytes = value.extent().weight;
  if (times > (uint64_t(1) << 32)) fail("'*': the result is too large");
  budget.memory(times * bytes);
  if (const auto* text = value.string()) {
    std::string result;
    for (uint64_t i = 0; i < times; ++i) result += *text;
    return result;
  }
  List items;
  for (uint64_t i = 0; i < times; ++i)
    items.insert(items.end(), value.list()->items.begin(), value.list()->items.end());
  return Value::list(std::move(items));
}

bool is_list(const Value& value) { return value.list() != nullptr && !value.list()->generator; }

Value arithmetic(const std::string& name, const Value& a, const Value& b, Budget& budget) {
  if (a.integer() && b.integer()) return integers(name, *a.integer(), *b.integer());
  if (a.is_number() && b.is_number()) return reals(name, *a.number(), *b.number());
  if (name == "+" && a.string() != nullptr && b.string() != nullptr) return *a.string() + *b.string();
  if (name == "+" && is_list(a) && is_list(b)) {
    List items = a.list()->items;
    items.insert(items.end(), b.list()->items.begin(), b.list()->items.end());
    return Value::list(std::move(items));
  }
  if (name == "*" && (a.string() != nullptr || is_list(a)) && b.integer())
    return repeated(a, *b.integer(), budget);
  if (name == "*" && (b.string() != nullptr || is_list(b)) && a.integer())
    return repeated(b, *a.integer(), budget);
  if (name == "%" && a.string() != nullptr)
    return format_percent(*a.string(), is_list(b) ? b.list()->items : List{b});
  cannot(name, a, b);
}

}  // namespace

Value Evaluator::evaluate(const Expression& expression) {
  const Budget::Level level(budget_);
  line_ = expression.line;
  return evaluate_at(expression);
}

Value Evaluator::evaluate_at(const Expression& expression) {
  const auto part = [&](size_t i) { return evaluate(*expression.parts[i]); };
  switch (expression.kind) {
    case ExpressionKind::kConstant:
      return expression.constant;
    case ExpressionKind::kName:
      return look_up(expression.name);
    case ExpressionKind::kList:
      return make_list(expression);
    case ExpressionKind::kDict:
      return make_dict(expression);
    case ExpressionKind::kUnary:
      return unary(expression);
    case ExpressionKind::kNot:
      return !truth(part(0));
    case ExpressionKind::kAnd:
    case ExpressionKind::kOr: {
      Value left = part(0);
      return truth(left) == (expression.kind == ExpressionKind::kOr) ? left : part(1);
    }
    case ExpressionKind::kBinary:
      return binary(expression);
    case ExpressionKind::kCompare:
      return compare(expression);
    case ExpressionKind::kConditional:
      return conditional(expression);
    case ExpressionKind::kAttribute:
      return attribute_of(part(0), expression.name, budget_);
    case ExpressionKind::kSubscript: {
      const Value value = part(0);
      return item_of(value, part(1), budget_);
    }
    case ExpressionKind::kSlice:
      return slice(expression);
    case ExpressionKind::kCall:
      return call(expression, arguments_of(expression));
    case ExpressionKind::kFilter:
      return filter(expression);
    case ExpressionKind::kTest: {
      const Value value = part(0);
      return apply_test(expression.name, value, arguments_of(expression), budget_);
    }
  }
  return {};
}

Value Evaluator::look_up(const std::string& name) const {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    const auto found = scope->variables.find(name);
    if (found != scope->variables.end()) return found->second;
  }
  return Value::undefined("'" + name + "' is undefined");
}

Value Evaluator::make_list(const Expression& expression) {
  List items;
  for (const auto& part : expression.parts) items.push_back(evaluate(*part));
  Value result = Value::list(std::move(items));
  budget_.memory(result.extent().weight);
  return result;
}

Value Evaluator::make_dict(const Expression& expression) {
  Dict items;
  for (size_t i = 0; i < expression.parts.size(); i += 2) {
    const Value key = evaluate(*expression.parts[i]);
    if (key.string() == nullptr) fail("a key of a dictionary must be a string, not " + to_repr(key));
    budget_.work(items.size() * 32);
    chat::assign(items, *key.string(), evaluate(*expression.parts[i + 1]));
  }
  Value result = Value::dict(std::move(items));
  budget_.memory(result.extent().weight);
  return result;
}

Value Evaluator::unary(const Expression& expression) {
  const Value value = evaluate(*expression.parts[0]);
  require_defined(value);
  if (!value.is_number()) fail("'" + expression.name + "' needs a number, not " + kind_of(value));
  const bool negative = expression.name == "-";
  if (value.integer()) return negative ? integers("-", 0, *value.integer()) : Value(*value.integer());
  return negative ? -*value.number() : *value.number();
}

Value Evaluator::binary(const Expression& expression) {
  const Value a = evaluate(*expression.parts[0]);
  const Value b = evaluate(*expression.parts[1]);
  line_ = expression.line;
  budget_.memory(a.extent().weight + b.extent().weight);
  if (expression.name == "~") return to_text(a) + to_text(b);
  return arithmetic(expression.name, a, b, budget_);
}

Value Evaluator::compare(const Expression& expression) {
  Value left = evaluate(*expression.parts[0]);
  for (size_t i = 0; i < expression.operators.size(); ++i) {
    Value right = evaluate(*expression.parts[i + 1]);
    line_ = expression.line;
    if (!holds(expression.operators[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

bool Evaluator::holds(const std::string& name, const Value& left, const Value& right) {
  budget_.work(left.extent().weight + right.extent().weight);
  if (name == "==") return equals(left, right);
  if (name == "!=") return !equals(left, right);
  if (name == "in") return contains(right, left);
  if (name == "not in") return !contains(right, left);
  if (name == "<") return less(left, right);
  if (name == ">") return less(right, left);
  return equals(left, right) || (name == "<=" ? less(left, right) : less(right, left));
}

Value Evaluator::conditional(const Expression& expression) {
  if (truth(evaluate(*expression.parts[1]))) return evaluate(*expression.parts[0]);
  if (expression.parts[2]) return evaluate(*expression.parts[2]);
  return Value::undefined("an 'if' without 'else' did not hold");
}

Value Evaluator::slice(const Expression& expression) {
  const auto bound = [&](size_t i) {
    return expression.parts[i] ? evaluate(*expression.parts[i]) : Value(nullptr);
  };
  const Value value = evaluate(*expression.parts[0]);
  const Value first = bound(1), last = bound(2);
  return slice_of(value, first, last, bound(3), budget_);
}

Arguments Evaluator::arguments_of(const Expression& expression) {
  Arguments result;
  for (const Argument& argument : expression.arguments) {
    Value value = evaluate(*argument.value);
    budget_.work(value.extent().weight);
    if (argument.name.empty()) {
      result.positional.push_back(std::move(value));
    } else if (argument.name == "*") {
      const List items = elements_of(value);
      result.positional.insert(result.positional.end(), items.begin(), items.end());
    } else if (argument.name == "**") {
      if (value.dict() == nullptr) fail("'**' needs a mapping, not " + kind_of(value));
      for (const auto& [key, item] : value.dict()->items) chat::assign(result.named, key, item);
    } else {
      chat::assign(result.named, argument.name, std::move(value));
    }
  }
  line_ = expression.line;
  return result;
}

Value Evaluator::call(const Expression& expression, Arguments arguments) {
  const Value callee = evaluate(*expression.parts[0]);
  require_defined(callee);
  Value result;
  if (const Function* function = callee.function()) {
    result = function->call(arguments);
  } else if (const Loop* loop = callee.loop(); loop != nullptr && loop->recurse) {
    if (arguments.positional.size() != 1) fail("loop(...) takes one sequence");
    result = loop->recurse(arguments.positional[0], loop->depth0 + 1);
  } else {
    fail(kind_of(callee) + " cannot be called");
  }
  line_ = expression.line;
  return result;
}

Value Evaluator::filter(const Expression& expression, const Value* base) {
  Value value;
  if (!expression.parts[0]) {
    value = *base;
  } else if (base != nullptr) {
    value = filter(*expression.parts[0], base);
  } else {
    value = evaluate(*expression.parts[0]);
  }
  const Arguments arguments = arguments_of(expression);
  return apply_filter(expression.name, value, arguments, budget_);
}

Value Evaluator::make_namespace(const Arguments& arguments) {
  Dict items = entries_of(arguments);
  budget_.memory(200 + 64 * items.size());
  namespaces_.push_back(std::make_shared<Namespace>(Namespace{std::move(items)}));
  return namespaces_.back();
}

}  // namespace vulcap::chat
