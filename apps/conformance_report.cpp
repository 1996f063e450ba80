#include "apps/conformance_report.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <map>

#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

using Status = loader::ConformanceResult::Status;
using Counts = std::map<std::string, int>;

constexpr const char* kStatusNames[] = {"passed", "failed", "skipped"};

// Reasons that differ in numbers, names and remarks in parentheses alone are one.
std::string general(const std::string& reason) {
  constexpr size_t kLongest = 140;
  std::string text;
  bool quoted = false;
  int depth = 0;
  for (const char c : reason) {
    depth += c == '(' ? 1 : 0;
    if (depth == 0 && (c == '\'' || c == '"')) {
      if (!quoted) text += "'_'";
      quoted = !quoted;
    } else if (depth == 0 && !quoted) {
      const char last = text.empty() ? ' ' : text.back();
      const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
      const bool in_word = std::isalnum(static_cast<unsigned char>(last)) != 0;
      if (!digit || in_word) text += c;
      if (digit && !in_word && last != '#') text += '#';
    }
    depth -= c == ')' && depth > 0 ? 1 : 0;
  }
  return text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
}

void print_counts(const char* title, const Counts& counts) {
  if (counts.empty()) return;
  std::vector<std::pair<int, std::string>> sorted;
  for (const auto& [reason, count] : counts) sorted.emplace_back(-count, reason);
  std::sort(sorted.begin(), sorted.end());
  std::printf("%s\n", title);
  for (const auto& [count, reason] : sorted) std::printf("  %5d  %s\n", -count, reason.c_str());
}

struct Tally {
  int tests = 0;
  int passed = 0;
  int skipped = 0;
  int native = 0;

  void add(const loader::ConformanceResult& result) {
    ++tests;
    passed += result.status == Status::kPassed ? 1 : 0;
    skipped += result.status == Status::kSkipped ? 1 : 0;
    native += result.native() ? 1 : 0;
  }
};

double percent(int part, int whole) { return whole == 0 ? 0 : 100.0 * part / whole; }

void print_tally(const std::string& kind, const Tally& tally) {
  const int scope = tally.tests - tally.skipped;
  std::printf("%-20s %7d %8d %9d %7d %7d %6.1f%% %7d %6.1f%%\n", kind.c_str(), tally.tests, tally.skipped,
              scope, tally.passed, scope - tally.passed, percent(tally.passed, scope), tally.native,
              percent(tally.native, scope));
}

}  // namespace

nlohmann::json result_json(const loader::ConformanceResult& result) {
  return {{"status", kStatusNames[int(result.status)]},
          {"reason", result.reason},
          {"native", result.native()},
          {"host_calls", result.host_calls}};
}

loader::ConformanceResult parse_result(const nlohmann::json& item) {
  loader::ConformanceResult result;
  const std::string status = item.at("status");
  result.status = status == "passed"    ? Status::kPassed
                  : status == "skipped" ? Status::kSkipped
                                        : Status::kFailed;
  result.reason = item.at("reason");
  result.host_calls = item.at("host_calls").get<std::vector<std::string>>();
  return result;
}

nlohmann::json row_json(const ConformanceRow& row) {
  nlohmann::json item = result_json(row.result);
  item["device"] = row.device;
  item["test"] = row.name;
  item["seconds"] = row.seconds;
  return item;
}

void print_row(const ConformanceRow& row) {
  const bool passed = row.result.status == Status::kPassed;
  std::string note = row.result.reason;
  if (passed && !row.result.native()) {
    note = "on the host: ";
    for (const std::string& call : row.result.host_calls)
      note += (&call == &row.result.host_calls[0] ? "" : "; ") + call;
  }
  std::printf("%-7s %s %s%s%s\n", kStatusNames[int(row.result.status)], row.device.c_str(), row.name.c_str(),
              note.empty() ? "" : ": ", note.c_str());
}

void print_summary(const std::vector<ConformanceRow>& rows, const std::string& device) {
  std::map<std::string, Tally> kinds;
  Tally total;
  Counts failures, host, skips;
  for (const ConformanceRow& row : rows) {
    if (row.device != device) continue;
    kinds[row.kind].add(row.result);
    total.add(row.result);
    if (row.result.status == Status::kFailed) ++failures[general(row.result.reason)];
    if (row.result.status == Status::kSkipped) ++skips[row.result.reason];
    for (const std::string& call : row.result.host_calls) ++host[call];
  }
  std::printf("\n%-20s %7s %8s %9s %7s %7s %7s %7s %7s\n", device.c_str(), "tests", "skipped", "in scope",
              "passed", "failed", "", "native", "");
  for (const auto& [kind, tally] : kinds) print_tally(kind, tally);
  if (kinds.size() > 1) print_tally("all", total);
  print_counts("failed, by reason:", failures);
  print_counts("kernel calls on the host, by reason:", host);
  print_counts("skipped, by reason:", skips);
}

Expectations Expectations::read(const std::string& path) {
  Expectations result;
  if (path.empty()) return result;
  const auto fail = [&](const std::string& what) {
    throw core::Error(core::ErrorCode::kUsage, path + ": " + what);
  };
  std::ifstream in(path);
  if (!in) fail("cannot be read");
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.find(' ');
    const size_t colon = line.find(": ");
    if (space == std::string::npos || colon == std::string::npos || colon < space || colon + 2 >= line.size())
      fail("line " + std::to_string(number) + " is not \"DEVICE KIND/TEST: reason\"");
    result.listed_.emplace_back(line.substr(0, space), line.substr(space + 1, colon - space - 1));
  }
  return result;
}

void Expectations::write(const std::string& path, const std::vector<ConformanceRow>& rows) {
  std::ofstream out(path);
  out << "# Known failures of `vulcap conformance`: DEVICE KIND/TEST: reason\n";
  for (const ConformanceRow& row : rows) {
    if (row.result.status == Status::kFailed)
      out << row.device << " " << row.name << ": " << row.result.reason << "\n";
  }
  if (!out.flush()) throw core::Error(core::ErrorCode::kRuntime, path + ": cannot be written");
}

bool Expectations::lists(const ConformanceRow& row) const {
  return std::any_of(listed_.begin(), listed_.end(), [&](const auto& item) {
    return (item.first == "*" || item.first == row.device) && item.second == row.name;
  });
}

std::vector<std::string> Expectations::surprises(const std::vector<ConformanceRow>& rows) const {
  std::vector<std::string> lines;
  for (const ConformanceRow& row : rows) {
    const bool failed = row.result.status == Status::kFailed;
    if (failed == lists(row)) continue;
    lines.push_back(
        row.device + " " + row.name +
        (failed ? ": " + row.result.reason
                : ": is listed as a failure and " + std::string(kStatusNames[int(row.result.status)])));
  }
  return lines;
}

}  // namespace vulcap::apps
