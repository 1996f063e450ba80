#include "apps/benchmark/report.h"

#include <cstdio>

#include "apps/benchmark/measure.h"
#include "apps/cli/remarks.h"

namespace vulcap::apps {
namespace {

using nlohmann::ordered_json;

ordered_json in_nanoseconds(const std::vector<double>& seconds) {
  ordered_json all = ordered_json::array();
  for (double value : seconds) all.push_back(int64_t(value * 1e9));
  return all;
}

void add_settings(ordered_json& record, const Measurement& m) {
  record["engine"] = m.engine;
  record["backends"] = m.of.peer.empty() ? short_name(m).substr(0, short_name(m).find(':')) : m.of.peer;
  record["device"] = m.device;
  record["model_filename"] = model_name(m.of);
  record["model_type"] = m.model_type;
  record["model_size"] = m.model_bytes;
  record["dtype"] = dtype_of(m);
  record["n_threads"] = m.of.threads;
  record["n_batch"] = m.of.batch_size;
  record["num_beams"] = m.of.num_beams;
  record["n_gen"] = m.of.n_gen;
  record["n_image"] = m.images();
}

void add_outcome(ordered_json& record, const Measurement& m) {
  record["output_sha256"] = output_digest(m);
  record["same_caption"] = m.is_reference ? ordered_json() : ordered_json(m.same_captions == m.images());
  record["peak_rss"] = m.peak_host_bytes;
  record["vram_peak"] = m.peak_device_bytes;
  record["fallback_nodes"] = m.fallback_calls;
  record["compromise"] = m.compromise;
}

void add_samples(ordered_json& record, const Series& series) {
  const auto nanoseconds = [](double seconds) { return int64_t(seconds * 1e9); };
  record["avg_ns"] = nanoseconds(mean(series.seconds));
  record["stddev_ns"] = nanoseconds(standard_deviation(series.seconds));
  record["median_ns"] = nanoseconds(median(series.seconds));
  record["p95_ns"] = nanoseconds(quantile(series.seconds, 0.95));
  record["min_ns"] = nanoseconds(quantile(series.seconds, 0));
  record["max_ns"] = nanoseconds(quantile(series.seconds, 1));
  record["avg_ts"] = mean(series.rates);
  record["stddev_ts"] = standard_deviation(series.rates);
  record["samples_ns"] = in_nanoseconds(series.seconds);
  record["samples_ts"] = series.rates;
}

// ---- formats

class JsonReport : public Report {
 public:
  JsonReport(std::ostream& out, const nlohmann::json& machine, bool lines)
      : out_(out), machine_(machine), lines_(lines) {}
  void add(const std::vector<Measurement>& group) override {
    for (const Measurement& measurement : group)
      for (const ordered_json& record : records_of(measurement, machine_)) {
        if (!lines_) out_ << (first_ ? "[\n" : ",\n");
        first_ = false;
        out_ << record.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
        if (lines_) out_ << '\n';
      }
    out_.flush();
  }
  void end() override {
    if (!lines_) out_ << "\n]\n";
  }

 private:
  std::ostream& out_;
  const nlohmann::json& machine_;
  bool lines_;
  bool first_ = true;
};

std::string quoted(const std::string& text, char quote) {
  std::string result(1, quote);
  for (char c : text) result += c == quote ? std::string(2, c) : std::string(1, c);
  return result + quote;
}

std::string plain(const ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
}

// One row a record, without the lists of samples.
class TableReport : public Report {
 public:
  TableReport(std::ostream& out, const nlohmann::json& machine) : out_(out), machine_(machine) {}
  void add(const std::vector<Measurement>& group) override {
    for (const Measurement& measurement : group)
      for (const ordered_json& record : records_of(measurement, machine_)) {
        if (!begun_) head(record);
        begun_ = true;
        row(record);
      }
    out_.flush();
  }

 protected:
  virtual void head(const ordered_json& record) = 0;
  virtual void row(const ordered_json& record) = 0;
  // `text` of each field that is one value, separated by commas.
  template <typename Text>
  void print(const ordered_json& record, const Text& text) {
    bool first = true;
    for (const auto& [name, value] : record.items()) {
      if (value.is_structured()) continue;
      out_ << (first ? "" : ",") << text(name, value);
      first = false;
    }
  }

  std::ostream& out_;

 private:
  const nlohmann::json& machine_;
  bool begun_ = false;
};

class CsvReport : public TableReport {
 public:
  using TableReport::TableReport;

 private:
  void head(const ordered_json& record) override {
    print(record, [](const std::string& name, const ordered_json&) { return name; });
    out_ << '\n';
  }
  void row(const ordered_json& record) override {
    print(record, [](const std::string&, const ordered_json& value) {
      return value.is_string() ? quoted(plain(value), '"') : plain(value);
    });
    out_ << '\n';
  }
};

class SqlReport : public TableReport {
 public:
  using TableReport::TableReport;

 private:
  static std::string type_of(const ordered_json& value) {
    if (value.is_string()) return "TEXT";
    return value.is_number_float() ? "REAL" : "INTEGER";
  }
  void head(const ordered_json& record) override {
    out_ << "CREATE TABLE IF NOT EXISTS vulcap_bench (";
    print(record, [](const std::string& name, const ordered_json& value) {
      return "\n  " + name + " " + type_of(value);
    });
    out_ << "\n);\n";
  }
  void row(const ordered_json& record) override {
    out_ << "INSERT INTO vulcap_bench (";
    print(record, [](const std::string& name, const ordered_json&) { return name; });
    out_ << ") VALUES (";
    print(record, [](const std::string&, const ordered_json& value) {
      if (value.is_string()) return quoted(plain(value), '\'');
      return value.is_null() ? "NULL" : value.is_boolean() ? (value.get<bool>() ? "1" : "0") : plain(value);
    });
    out_ << ");\n";
  }
};

}  // namespace

std::vector<ordered_json> records_of(const Measurement& m, const nlohmann::json& machine) {
  std::vector<ordered_json> records;
  for (const PhaseName& phase : kPhases) {
    const Series& series = m.series(phase.phase);
    if (series.seconds.empty()) continue;
    ordered_json record;
    for (const char* name : {"build_commit", "build_number", "cpu_info"}) record[name] = machine.at(name);
    record["gpu_info"] = m.machine.value("gpu_info", "");
    record["driver"] = m.machine.value("driver", "");
    add_settings(record, m);
    record["phase"] = phase.field;
    record["test_time"] = m.test_time;
    add_outcome(record, m);
    add_samples(record, series);
    record["machine"] = machine;
    record["device_info"] = m.machine;
    records.push_back(std::move(record));
  }
  return records;
}

std::unique_ptr<Report> make_report(const std::string& format, std::ostream& out,
                                    const nlohmann::json& machine) {
  if (format == "json" || format == "jsonl")
    return std::make_unique<JsonReport>(out, machine, format == "jsonl");
  if (format == "csv") return std::make_unique<CsvReport>(out, machine);
  if (format == "sql") return std::make_unique<SqlReport>(out, machine);
  return make_markdown_report(out, machine);
}

std::string duration_text(double seconds) {
  char text[32];
  const double value = seconds < 1e-3 ? seconds * 1e6 : seconds < 1 ? seconds * 1e3 : seconds;
  const char* unit = seconds < 1e-3 ? "us" : seconds < 1 ? "ms" : "s";
  std::snprintf(text, sizeof text, value < 10 ? "%.2f %s" : value < 100 ? "%.1f %s" : "%.0f %s", value, unit);
  return text;
}

std::string bytes_text(uint64_t bytes) {
  char text[32];
  const double megabytes = double(bytes) / 1e6;
  std::snprintf(text, sizeof text, megabytes < 1000 ? "%.1f MB" : "%.2f GB",
                megabytes < 1000 ? megabytes : megabytes / 1e3);
  return text;
}

std::string settings_text(const Measurement& measurement) {
  const BenchCase& of = measurement.of;
  std::string text = dtype_of(measurement) + ", batch " + std::to_string(of.batch_size);
  if (of.threads > 0) text += ", " + std::to_string(of.threads) + (of.threads == 1 ? " thread" : " threads");
  if (of.num_beams > 0)
    text += ", " + std::to_string(of.num_beams) + (of.num_beams == 1 ? " beam" : " beams");
  if (of.n_gen > 0) text += ", " + std::to_string(of.n_gen) + " tokens a caption";
  return text;
}

std::string same_text(const Measurement& m) {
  if (m.is_reference) return "";
  if (m.same_captions == m.images()) return "yes";
  return "no: " + std::to_string(m.same_captions) + " of " + std::to_string(m.images());
}

}  // namespace vulcap::apps
