// A tensor dimension: an integer polynomial over named symbols, e.g. 2*batch*past + batch. Symbols stand for
// sizes >= 0.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::core {

using Symbol = uint32_t;

// Same name, same symbol, in the whole process.
Symbol intern_symbol(std::string_view name);
std::string symbol_name(Symbol symbol);

class Dim {
 public:
  Dim() = default;
  Dim(int64_t constant) : constant_(constant) {}  // NOLINT: an integer is a dimension
  static Dim symbol(std::string_view name);

  bool is_constant() const { return terms_.empty(); }
  // Only when is_constant().
  int64_t value() const;

  Dim operator+(const Dim& other) const;
  Dim operator-(const Dim& other) const;
  Dim operator*(const Dim& other) const;
  bool operator==(const Dim& other) const = default;

  // The quotient when `divisor` divides this polynomial exactly, else nothing.
  std::optional<Dim> divide(const Dim& divisor) const;
  // Whether the value is >= 0 for all symbol values >= 0; false when that cannot be told from the
  // coefficients.
  bool provably_nonnegative() const;

  Dim substitute(const std::map<Symbol, int64_t>& values) const;
  // {constant, coefficient} when the polynomial is constant + coefficient * symbol.
  std::optional<std::pair<int64_t, int64_t>> affine_in(Symbol symbol) const;

  // "3", "past + 1", "2*batch*past"; parse() reads it back and throws Error(kInvalidModel) on anything else.
  std::string text() const;
  static Dim parse(std::string_view text);

 private:
  struct Term {
    std::vector<Symbol> factors;  // sorted, not empty
    int64_t coefficient = 0;      // not 0
    bool operator==(const Term&) const = default;
  };

  void add_term(std::vector<Symbol> factors, int64_t coefficient);
  std::optional<Dim> divide_by_term(const Term& divisor) const;

  int64_t constant_ = 0;
  std::vector<Term> terms_;  // sorted by factors, greatest degree first
};

using SymShape = std::vector<Dim>;

Dim product(const SymShape& shape, size_t begin = 0, size_t end = SIZE_MAX);
std::string shape_text(const SymShape& shape);
bool is_static(const SymShape& shape);

}  // namespace vulcap::core
