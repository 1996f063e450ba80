// Measurements as text: Markdown for readers; CSV, JSON, JSON lines and SQL for programs.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "apps/benchmark/measurement.h"

namespace vulcap::apps {

// A flat object a phase that was measured, in the order of kPhases: llama-bench's field names where they mean
// the same. Fields are listed in bench/README.md; times in nanoseconds, sizes in bytes.
std::vector<nlohmann::ordered_json> records_of(const Measurement& measurement, const nlohmann::json& machine);

class Report {
 public:
  virtual ~Report() = default;
  // Measurements of one group, in the order they were asked for. Nothing is written before the first.
  virtual void add(const std::vector<Measurement>& group) = 0;
  virtual void end() {}
};

// `format`: md, csv, json, jsonl or sql. `out` and `machine` must live longer.
std::unique_ptr<Report> make_report(const std::string& format, std::ostream& out,
                                    const nlohmann::json& machine);
std::unique_ptr<Report> make_markdown_report(std::ostream& out, const nlohmann::json& machine);

// ---- what Markdown and the page share

// "12.3 ms", "1.23 s", "45.6 us"
std::string duration_text(double seconds);
std::string bytes_text(uint64_t bytes);
// "fp32, batch 16, 2 threads, 4 beams, 16 tokens": settings other than the engine; defaults are left out.
std::string settings_text(const Measurement& measurement);
// "yes", "no: 11 of 12", "" for what it is compared with.
std::string same_text(const Measurement& measurement);

}  // namespace vulcap::apps
