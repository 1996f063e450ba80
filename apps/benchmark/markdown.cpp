// The report for a terminal: engines side by side, a row a phase; a line a case where settings are swept.
#include <algorithm>
#include <cstdio>

#include "apps/benchmark/measure.h"
#include "apps/benchmark/report.h"

namespace vulcap::apps {
namespace {

using Row = std::vector<std::string>;

std::string number(double value, const char* format = "%.2f") {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Three significant digits, no exponent.
std::string milliseconds(double seconds) {
  const double value = seconds * 1e3;
  return number(value, value < 0.1 ? "%.4f" : value < 1 ? "%.3f" : value < 100 ? "%.2f" : "%.0f");
}

// The first column to the left, the others to the right, padded to equal widths.
void print_table(std::ostream& out, const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows.front().size(), 3);
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  const auto print = [&](const Row& row) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      out << "| " << (i == 0 ? row[i] + padding : padding + row[i]) << ' ';
    }
    out << "|\n";
  };
  print(rows.front());
  for (size_t i = 0; i < widths.size(); ++i)
    out << '|' << std::string(widths[i] + 1, '-') << (i == 0 ? "-" : ":");
  out << "|\n";
  for (size_t i = 1; i < rows.size(); ++i) print(rows[i]);
}

class MarkdownReport : public Report {
 public:
  MarkdownReport(std::ostream& out, const nlohmann::json& machine) : out_(out), machine_(machine) {}

  void add(const std::vector<Measurement>& group) override {
    if (groups_ == 0) print_machine();
    print_title(group);
    print_phases(group);
    print_outcomes(group);
    out_.flush();
    for (const Measurement& measurement : group) summary_.push_back(summary_row(measurement));
    ++groups_;
  }

  void end() override {
    if (groups_ < 2) return;
    summary_.insert(summary_.begin(), {"model", "settings", "engine", "image ms", "p95", "images/s",
                                       "tokens/s", "peak", "same caption"});
    out_ << "\n### All settings\n\n";
    print_table(out_, summary_);
  }

 private:
  void print_machine() {
    out_ << "vulcap " << machine_.at("version").get<std::string>() << ", build "
         << machine_.at("build_commit").get<std::string>() << ", "
         << machine_.at("cpu_info").get<std::string>() << ", " << machine_.at("n_cpus").get<int>()
         << " processors (" << machine_.at("cpu_kernels").get<std::string>() << "), "
         << machine_.at("os").get<std::string>() << "\n";
  }

  void print_title(const std::vector<Measurement>& group) {
    const Measurement& first = group.front();
    out_ << "\n### " << model_name(first.of) << ": " << settings_text(first) << ", " << first.images()
         << (first.images() == 1 ? " image" : " images") << "\n\n";
    for (const Measurement& m : group) {
      out_ << "- " << short_name(m) << ": " << m.engine << " on " << m.device;
      if (m.machine.contains("driver")) out_ << ", driver " << m.machine["driver"].get<std::string>();
      out_ << "\n";
    }
    out_ << "\n";
  }

  void print_phases(const std::vector<Measurement>& group) {
    Row head{"ms"};
    for (const Measurement& m : group) head.insert(head.end(), {short_name(m), "p95", "+-"});
    for (size_t i = 1; i < group.size(); ++i)
      head.push_back(short_name(group[0]) + " / " + short_name(group[i]));
    std::vector<Row> rows{head};
    for (const PhaseName& phase : kPhases) {
      if (std::all_of(group.begin(), group.end(),
                      [&](const Measurement& m) { return m.series(phase.phase).seconds.empty(); }))
        continue;
      rows.push_back(phase_row(group, phase));
    }
    rows.push_back(rate_row(group, "images/s", Phase::kImage));
    rows.push_back(rate_row(group, "tokens/s", Phase::kDecodeToken));
    print_table(out_, rows);
  }

  static Row phase_row(const std::vector<Measurement>& group, const PhaseName& phase) {
    Row row{std::string(phase.title)};
    const double first = median(group[0].series(phase.phase).seconds);
    for (const Measurement& m : group) {
      const std::vector<double>& samples = m.series(phase.phase).seconds;
      if (samples.empty()) {
        row.insert(row.end(), {"-", "-", "-"});
      } else {
        row.insert(row.end(), {milliseconds(median(samples)), milliseconds(quantile(samples, 0.95)),
                               milliseconds(standard_deviation(samples))});
      }
    }
    for (size_t i = 1; i < group.size(); ++i) {
      const double other = median(group[i].series(phase.phase).seconds);
      row.push_back(first > 0 && other > 0 ? number(first / other) : "-");
    }
    return row;
  }

  static Row rate_row(const std::vector<Measurement>& group, const std::string& title, Phase phase) {
    Row row{title};
    const double first = median(group[0].series(phase).rates);
    for (const Measurement& m : group) {
      const std::vector<double>& rates = m.series(phase).rates;
      if (rates.empty()) {
        row.insert(row.end(), {"-", "", "-"});
      } else {
        row.insert(row.end(), {number(median(rates), "%.4g"), "", number(standard_deviation(rates), "%.3g")});
      }
    }
    for (size_t i = 1; i < group.size(); ++i) {
      const double other = median(group[i].series(phase).rates);
      row.push_back(first > 0 && other > 0 ? number(first / other) : "-");
    }
    return row;
  }

  void print_outcomes(const std::vector<Measurement>& group) {
    for (const Measurement& m : group)
      if (!m.compromise.empty())
        out_ << "\n" << short_name(m) << " is not what was asked for: " << m.compromise << "\n";
    Row head{"outcome"}, same{"same caption"}, host{"peak host memory"}, device{"peak device memory"},
        fallback{"kernel calls left to the cpu"}, digest{"output sha256"}, disk{"cold start from disk"};
    for (const Measurement& m : group) {
      head.push_back(short_name(m));
      same.push_back(m.is_reference ? "(compared with)" : same_text(m));
      host.push_back(bytes_text(m.peak_host_bytes));
      device.push_back(m.peak_device_bytes == 0 ? "-" : bytes_text(m.peak_device_bytes));
      fallback.push_back(std::to_string(m.fallback_calls));
      disk.push_back(m.series(Phase::kStartCold).seconds.empty() ? "-" : m.pages_dropped ? "yes" : "no");
      digest.push_back(m.ids.empty() ? "-" : output_digest(m).substr(0, 16));
    }
    out_ << "\n";
    print_table(out_, {head, same, digest, host, device, fallback, disk});
  }

  static Row summary_row(const Measurement& m) {
    const std::vector<double>& image = m.series(Phase::kImage).seconds.empty()
                                           ? m.series(Phase::kGraphs).seconds
                                           : m.series(Phase::kImage).seconds;
    const std::vector<double>& rates = m.series(Phase::kImage).rates;
    return {model_name(m.of),
            settings_text(m),
            short_name(m),
            milliseconds(median(image)),
            milliseconds(quantile(image, 0.95)),
            rates.empty() ? "-" : number(median(rates), "%.4g"),
            number(median(m.series(Phase::kDecodeToken).rates), "%.4g"),
            bytes_text(m.peak_host_bytes),
            m.is_reference ? "(first)" : same_text(m)};
  }

  std::ostream& out_;
  const nlohmann::json& machine_;
  std::vector<Row> summary_;
  int groups_ = 0;
};

}  // namespace

std::unique_ptr<Report> make_markdown_report(std::ostream& out, const nlohmann::json& machine) {
  return std::make_unique<MarkdownReport>(out, machine);
}

}  // namespace vulcap::apps
