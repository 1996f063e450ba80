#include "tests/ops/rows.h"

#include <fstream>
#include <map>

namespace vulcap::test {

std::vector<OpRow> read_op_rows() {
  std::ifstream file(std::string(VULCAP_TEST_DATA) + "/ops/rows.txt");
  std::vector<OpRow> rows;
  std::map<std::string, int> seen;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    OpRow row;
    row.line = line;
    row.refused = line.starts_with("! ");
    const size_t begin = row.refused ? 2 : 0;
    const std::string versioned = line.substr(begin, line.find(' ', begin) - begin);
    row.op = versioned.substr(0, versioned.rfind('-'));
    row.name = versioned + "_" + std::to_string(++seen[versioned]);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace vulcap::test
