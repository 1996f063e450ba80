// What `vulcap conformance` prints: a line a test, a table a device, and JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "loader/conformance.h"

namespace vulcap::apps {

struct ConformanceRow {
  std::string device;  // as asked for
  std::string kind;    // the folder above the test's: node, simple, pytorch-operator ...
  std::string name;    // kind/test
  loader::ConformanceResult result;
  double seconds = 0;
};

// The part of a result that crosses from a worker, and back.
nlohmann::json result_json(const loader::ConformanceResult& result);
loader::ConformanceResult parse_result(const nlohmann::json& item);

nlohmann::json row_json(const ConformanceRow& row);
void print_row(const ConformanceRow& row);
// Counts of each kind, then how often each reason of a failure, a host call and a skip occurs.
void print_summary(const std::vector<ConformanceRow>& rows, const std::string& device);

// Known failures: lines "DEVICE KIND/TEST: reason" with DEVICE cpu, vulkan or *; '#' begins a comment.
class Expectations {
 public:
  // Throws core::Error(kUsage) for a file that is missing or not understood. Empty path: none.
  static Expectations read(const std::string& path);

  // Writes the failures among `rows` in that form, each with its own reason. Throws core::Error(kRuntime).
  static void write(const std::string& path, const std::vector<ConformanceRow>& rows);

  // One line for each row that is not as expected: failed and not listed, or listed and not failed.
  std::vector<std::string> surprises(const std::vector<ConformanceRow>& rows) const;

 private:
  bool lists(const ConformanceRow& row) const;

  std::vector<std::pair<std::string, std::string>> listed_;  // device, test
};

}  // namespace vulcap::apps
