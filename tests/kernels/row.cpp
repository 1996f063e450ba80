#include "tests/kernels/row.h"

#include <sstream>
#include <stdexcept>

namespace vulcap::testing {

Row::Row(std::string_view text) {
  std::istringstream words{std::string(text)};
  words >> kernel_;
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    values_[name] = equals == std::string::npos ? "" : word.substr(equals + 1);
    unused_.insert(name);
  }
}

bool Row::flag(const std::string& name) {
  unused_.erase(name);
  return values_.count(name) != 0;
}

std::string Row::text(const std::string& name, const std::string& fallback) {
  return flag(name) ? values_[name] : fallback;
}

int64_t Row::integer(const std::string& name, int64_t fallback) {
  return flag(name) ? std::stoll(values_[name]) : fallback;
}

double Row::real(const std::string& name, double fallback) {
  return flag(name) ? std::stod(values_[name]) : fallback;
}

core::DType Row::dtype(const std::string& name, core::DType fallback) {
  if (!flag(name)) return fallback;
  const auto dtype = core::dtype_from_name(values_[name]);
  if (dtype == core::DType::kUndefined) throw std::runtime_error("no dtype " + values_[name]);
  return dtype;
}

std::vector<int64_t> Row::list(const std::string& name, const std::vector<int64_t>& fallback) {
  if (!flag(name)) return fallback;
  std::vector<int64_t> items;
  std::istringstream parts(values_[name]);
  for (std::string part; std::getline(parts, part, ',');) items.push_back(std::stoll(part));
  return items;
}

void Row::check_all_used() const {
  if (!unused_.empty()) throw std::runtime_error(kernel_ + " does not know " + *unused_.begin());
}

std::vector<std::string> expand_row(const std::string& row) {
  const size_t open = row.find('{');
  if (open == std::string::npos) return {row};
  const size_t close = row.find('}', open);
  std::vector<std::string> rows;
  std::istringstream choices(row.substr(open + 1, close - open - 1));
  for (std::string choice; std::getline(choices, choice, ';');) {
    for (auto& expanded : expand_row(row.substr(0, open) + choice + row.substr(close + 1))) {
      rows.push_back(std::move(expanded));
    }
  }
  return rows;
}

}  // namespace vulcap::testing
