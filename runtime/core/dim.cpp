#include "runtime/core/dim.h"

#include <algorithm>
#include <cassert>
#include <cctype>
#include <charconv>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "runtime/core/error.h"

namespace vulcap::core {
namespace {

struct SymbolTable {
  std::mutex mutex;
  std::unordered_map<std::string, Symbol> ids;
  std::deque<std::string> names;
};

SymbolTable& symbols() {
  static SymbolTable table;
  return table;
}

int64_t checked(bool overflow, int64_t value) {
  if (overflow) throw Error(ErrorCode::kInvalidModel, "a dimension does not fit 64 bits");
  return value;
}

int64_t sum(int64_t a, int64_t b) {
  int64_t result = 0;
  const bool overflow = __builtin_add_overflow(a, b, &result);
  return checked(overflow, result);
}

int64_t times(int64_t a, int64_t b) {
  int64_t result = 0;
  const bool overflow = __builtin_mul_overflow(a, b, &result);
  return checked(overflow, result);
}

// Greatest degree first, then lexicographic: the order polynomial division needs.
bool before(const std::vector<Symbol>& a, const std::vector<Symbol>& b) {
  if (a.size() != b.size()) return a.size() > b.size();
  return a < b;
}

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$'; }
bool is_name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == ':' || c == '/' ||
         c == '$';
}

class DimParser {
 public:
  explicit DimParser(std::string_view text) : text_(text) {}

  Dim parse() {
    Dim result = expression();
    skip_space();
    if (at_ != text_.size()) fail();
    return result;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ErrorCode::kInvalidModel, "'" + std::string(text_) + "' is not a dimension");
  }
  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Dim expression() {
    Dim sum = take('-') ? Dim(0) - product() : product();
    for (;;) {
      if (take('+')) {
        sum = sum + product();
      } else if (take('-')) {
        sum = sum - product();
      } else {
        return sum;
      }
    }
  }
  Dim product() {
    Dim result = atom();
    while (take('*')) result = result * atom();
    return result;
  }
  Dim atom() {
    skip_space();
    const size_t begin = at_;
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
      int64_t value = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
      if (error != std::errc()) fail();
      at_ = size_t(end - text_.data());
      return value;
    }
    if (at_ >= text_.size() || !is_name_start(text_[at_])) fail();
    while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
    return Dim::symbol(text_.substr(begin, at_ - begin));
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Symbol intern_symbol(std::string_view name) {
  auto& table = symbols();
  std::lock_guard lock(table.mutex);
  const auto [entry, inserted] = table.ids.try_emplace(std::string(name), Symbol(table.names.size()));
  if (inserted) table.names.emplace_back(name);
  return entry->second;
}

std::string symbol_name(Symbol symbol) {
  auto& table = symbols();
  std::lock_guard lock(table.mutex);
  return table.names.at(symbol);
}

Dim Dim::symbol(std::string_view name) {
  Dim dim;
  dim.terms_.push_back({{intern_symbol(name)}, 1});
  return dim;
}

int64_t Dim::value() const {
  assert(is_constant());
  return constant_;
}

void Dim::add_term(std::vector<Symbol> factors, int64_t coefficient) {
  if (factors.empty()) {
    constant_ = sum(constant_, coefficient);
    return;
  }
  auto at = std::lower_bound(terms_.begin(), terms_.end(), factors,
                             [](const Term& term, const auto& key) { return before(term.factors, key); });
  if (at == terms_.end() || at->factors != factors) {
    if (coefficient != 0) terms_.insert(at, {std::move(factors), coefficient});
    return;
  }
  at->coefficient = sum(at->coefficient, coefficient);
  if (at->coefficient == 0) terms_.erase(at);
}

Dim Dim::operator+(const Dim& other) const {
  Dim result = *this;
  result.constant_ = sum(constant_, other.constant_);
  for (const Term& term : other.terms_) result.add_term(term.factors, term.coefficient);
  return result;
}

Dim Dim::operator-(const Dim& other) const { return *this + other * Dim(-1); }

Dim Dim::operator*(const Dim& other) const {
  Dim result(times(constant_, other.constant_));
  for (const Term& term : terms_) result.add_term(term.factors, times(term.coefficient, other.constant_));
  for (const Term& term : other.terms_) result.add_term(term.factors, times(term.coefficient, constant_));
  for (const Term& a : terms_) {
    for (const Term& b : other.terms_) {
      std::vector<Symbol> factors;
      std::merge(a.factors.begin(), a.factors.end(), b.factors.begin(), b.factors.end(),
                 std::back_inserter(factors));
      result.add_term(std::move(factors), times(a.coefficient, b.coefficient));
    }
  }
  return result;
}

// Divides every term by one term; nothing if some term is not a multiple.
std::optional<Dim> Dim::divide_by_term(const Term& divisor) const {
  Dim quotient;
  auto divide_one = [&](const std::vector<Symbol>& factors, int64_t coefficient) {
    if (coefficient == 0) return true;
    if (coefficient % divisor.coefficient != 0) return false;
    if (!std::includes(factors.begin(), factors.end(), divisor.factors.begin(), divisor.factors.end()))
      return false;
    std::vector<Symbol> rest;
    std::set_difference(factors.begin(), factors.end(), divisor.factors.begin(), divisor.factors.end(),
                        std::back_inserter(rest));
    quotient.add_term(std::move(rest), coefficient / divisor.coefficient);
    return true;
  };
  if (!divide_one({}, constant_)) return std::nullopt;
  for (const Term& term : terms_) {
    if (!divide_one(term.factors, term.coefficient)) return std::nullopt;
  }
  return quotient;
}

std::optional<Dim> Dim::divide(const Dim& divisor) const {
  if (divisor == Dim(0)) return std::nullopt;
  const Term lead = divisor.terms_.empty() ? Term{{}, divisor.constant_} : divisor.terms_.front();
  if (divisor.terms_.size() + (divisor.constant_ != 0) == 1) return divide_by_term(lead);
  Dim rest = *this;
  Dim quotient;
  // Each round cancels the leading term, so the number of rounds is bounded by the number of distinct
  // monomials.
  for (int round = 0; round < 64 && !(rest == Dim(0)); ++round) {
    Dim head;
    head.add_term(rest.terms_.empty() ? std::vector<Symbol>{} : rest.terms_.front().factors,
                  rest.terms_.empty() ? rest.constant_ : rest.terms_.front().coefficient);
    const auto step = head.divide_by_term(lead);
    if (!step) return std::nullopt;
    quotient = quotient + *step;
    rest = rest - *step * divisor;
  }
  return rest == Dim(0) ? std::optional(quotient) : std::nullopt;
}

bool Dim::provably_nonnegative() const {
  return constant_ >= 0 &&
         std::all_of(terms_.begin(), terms_.end(), [](const Term& term) { return term.coefficient >= 0; });
}

Dim Dim::substitute(const std::map<Symbol, int64_t>& values) const {
  Dim result(constant_);
  for (const Term& term : terms_) {
    std::vector<Symbol> rest;
    int64_t coefficient = term.coefficient;
    for (Symbol factor : term.factors) {
      const auto known = values.find(factor);
      if (known == values.end()) {
        rest.push_back(factor);
      } else {
        coefficient = times(coefficient, known->second);
      }
    }
    result.add_term(std::move(rest), coefficient);
  }
  return result;
}

std::optional<std::pair<int64_t, int64_t>> Dim::affine_in(Symbol symbol) const {
  if (terms_.empty()) return std::pair{constant_, int64_t(0)};
  if (terms_.size() > 1 || terms_[0].factors != std::vector<Symbol>{symbol}) return std::nullopt;
  return std::pair{constant_, terms_[0].coefficient};
}

std::string Dim::text() const {
  if (terms_.empty()) return std::to_string(constant_);
  std::string result;
  auto append = [&](int64_t coefficient, const std::string& rest) {
    const int64_t size = coefficient < 0 ? -coefficient : coefficient;
    if (result.empty()) {
      if (coefficient < 0) result += "-";
    } else {
      result += coefficient < 0 ? " - " : " + ";
    }
    if (rest.empty() || size != 1) result += std::to_string(size) + (rest.empty() ? "" : "*");
    result += rest;
  };
  for (const Term& term : terms_) {
    std::string factors;
    for (Symbol factor : term.factors) factors += (factors.empty() ? "" : "*") + symbol_name(factor);
    append(term.coefficient, factors);
  }
  if (constant_ != 0) append(constant_, "");
  return result;
}

Dim Dim::parse(std::string_view text) { return DimParser(text).parse(); }

Dim product(const SymShape& shape, size_t begin, size_t end) {
  Dim result(1);
  for (size_t i = begin; i < std::min(end, shape.size()); ++i) result = result * shape[i];
  return result;
}

std::string shape_text(const SymShape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + shape[i].text();
  return text + "]";
}

bool is_static(const SymShape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](const Dim& dim) { return dim.is_constant(); });
}

}  // namespace vulcap::core
