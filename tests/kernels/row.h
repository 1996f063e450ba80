// One parsed row of the kernel case table.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/dtype.h"

namespace vulcap::testing {

class Row {
 public:
  explicit Row(std::string_view text);

  const std::string& kernel() const { return kernel_; }
  bool flag(const std::string& name);
  int64_t integer(const std::string& name, int64_t fallback);
  double real(const std::string& name, double fallback);
  std::string text(const std::string& name, const std::string& fallback);
  core::DType dtype(const std::string& name, core::DType fallback);
  // Comma-separated integers.
  std::vector<int64_t> list(const std::string& name, const std::vector<int64_t>& fallback);
  // Throws std::runtime_error when a word of the row was never asked for.
  void check_all_used() const;

 private:
  std::string kernel_;
  std::map<std::string, std::string> values_;
  std::set<std::string> unused_;
};

// The rows that a row with {a;b} values stands for.
std::vector<std::string> expand_row(const std::string& row);

}  // namespace vulcap::testing
