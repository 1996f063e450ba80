#include "apps/cli/placement_report.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/cli/remarks.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

using nlohmann::json;

struct Totals {
  uint64_t calls = 0;           // of all programs, once each
  uint64_t on_host = 0;         // of them
  uint64_t bytes_crossing = 0;  // in all runs
  uint64_t bytes_written = 0;
  uint64_t bytes_read = 0;
};

json call_json(const session::PlacedCall& call) {
  json entry{{"kernel", call.kernel}, {"node", call.node}, {"placement", call.on_host ? "cpu" : "device"}};
  if (call.on_host) {
    entry["reason"] = call.reason;
    entry["bytes_crossing"] = call.bytes_crossing;
  }
  return entry;
}

json program_json(const session::PlacedProgram& program, Totals& totals) {
  json entry{{"graph", program.graph},
             {"device", program.device},
             {"runs", program.runs},
             {"bytes_written", program.bytes_written},
             {"bytes_read", program.bytes_read},
             {"calls", json::array()}};
  if (!program.reason.empty()) entry["reason"] = program.reason;
  for (const session::PlacedCall& call : program.calls) {
    entry["calls"].push_back(call_json(call));
    ++totals.calls;
    totals.on_host += call.on_host;
    totals.bytes_crossing += call.bytes_crossing * program.runs;
  }
  totals.bytes_written += program.bytes_written;
  totals.bytes_read += program.bytes_read;
  return entry;
}

[[noreturn]] void fail(const std::string& file) {
  throw core::Error(core::ErrorCode::kRuntime,
                    file + ": the report cannot be written: " + std::strerror(errno));
}

}  // namespace

void PlacementReport::begin(const std::string& file, const std::string& requested,
                            const std::string& fallback) {
  // Known before hours of work.
  if (!std::ofstream(file, std::ios::app)) fail(file);
  file_ = file;
  requested_ = requested;
  fallback_ = fallback;
}

std::shared_ptr<session::Placements> PlacementReport::add_device(const session::OpenedDevice& opened) {
  opened_.push_back({opened.name, opened.reason, std::make_shared<session::Placements>()});
  return opened_.back().placements;
}

void PlacementReport::add_event(const std::string& line) {
  if (!file_.empty()) events_.push_back(line);
}

void PlacementReport::write(int exit_code) {
  if (file_.empty()) return;
  Totals totals;
  json devices = json::array();
  for (const Opened& opened : opened_) {
    json programs = json::array();
    for (const auto& program : *opened.placements) programs.push_back(program_json(*program, totals));
    devices.push_back(
        {{"device", opened.name}, {"reason", opened.reason}, {"programs", std::move(programs)}});
  }
  const json report{{"requested", requested_},
                    {"fallback", fallback_},
                    {"exit_code", exit_code},
                    {"summary",
                     {{"kernel_calls", totals.calls},
                      {"on_device", totals.calls - totals.on_host},
                      {"on_cpu_by_fallback", totals.on_host},
                      {"bytes_crossing_for_fallbacks", totals.bytes_crossing},
                      {"bytes_written", totals.bytes_written},
                      {"bytes_read", totals.bytes_read}}},
                    {"events", events_},
                    {"devices", std::move(devices)}};
  std::ofstream out(file_, std::ios::trunc);
  out << dumped(report, 1) << "\n";
  out.close();
  if (!out) fail(file_);
}

PlacementReport& placement_report() {
  static PlacementReport report;
  return report;
}

}  // namespace vulcap::apps
