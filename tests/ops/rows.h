// Rows of tests/golden/ops/rows.txt; the syntax is described there.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace vulcap::test {

struct OpRow {
  std::string line;
  std::string op;
  std::string name;  // stem of the .onnx file
  bool refused = false;

  friend void PrintTo(const OpRow& row, std::ostream* out) { *out << row.line; }
};

std::vector<OpRow> read_op_rows();

}  // namespace vulcap::test
