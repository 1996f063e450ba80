#include "apps/quantization_report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/cli/progress.h"

namespace vulcap::apps {
namespace {

using quantization::Report;
using quantization::Trial;

constexpr size_t kShownChanges = 5;

std::string bytes_text(size_t bytes) { return amount_text(double(bytes), "bytes"); }

double percent(double part, double whole) { return whole == 0 ? 0 : 100 * part / whole; }

void print_sizes(const Report& report) {
  std::printf("%s to %s (%.0f %%)\n", bytes_text(report.bytes_before()).c_str(),
              bytes_text(report.bytes_after()).c_str(),
              percent(double(report.bytes_after()), double(report.bytes_before())));
}

void print_errors(const Report& report) {
  if (report.errors.empty()) return;
  std::printf("%-32s %-32s %10s %10s\n", "graph", "output", "max abs", "rel rms");
  for (const quantization::OutputError& row : report.errors) {
    if (row.note.empty()) {
      std::printf("%-32s %-32s %10.2e %10.2e\n", row.graph.c_str(), row.output.c_str(), row.max_abs,
                  row.relative);
    } else {
      std::printf("%-32s %-32s %s\n", row.graph.c_str(), row.output.c_str(), row.note.c_str());
    }
  }
}

void print_answers(const Report& report) {
  if (report.answers == 0) return;
  std::printf("%zu of %zu answers changed (%.1f %%)\n", report.changed.size(), report.answers,
              100 * report.change());
  for (size_t i = 0; i < std::min(report.changed.size(), kShownChanges); ++i) {
    const quantization::ChangedAnswer& change = report.changed[i];
    std::printf("  %s\n    before: %s\n    after:  %s\n", change.sample.c_str(), change.before.c_str(),
                change.after.c_str());
  }
  if (report.changed.size() > kShownChanges)
    std::printf("  and %zu more; --report FILE has all\n", report.changed.size() - kShownChanges);
}

void print_speeds(const Report& report) {
  for (const quantization::Speed& speed : report.speeds) {
    if (speed.before == 0) continue;  // a single sample
    std::printf("%s: %.4g ms a sample, was %.4g ms (%.2f times as fast)\n", speed.device.c_str(), speed.after,
                speed.before, speed.before / speed.after);
  }
}

std::string mix_text(const Trial& trial) {
  std::string text;
  for (const quantization::Choice& choice : trial.mix) {
    text += (text.empty() ? "" : " ") + choice.file.stem().string() + "=" +
            (choice.format ? std::string(quantization::format_name(*choice.format)) : "fp32");
    for (size_t i = 0; i < choice.exclude.size(); ++i)
      text += (i == 0 ? " without " : ", ") + choice.exclude[i];
  }
  return text;
}

nlohmann::json file_json(const quantization::FileResult& file) {
  nlohmann::json kept = nlohmann::json::array();
  for (const auto& [node, reason] : file.changes.kept) kept.push_back({{"node", node}, {"reason", reason}});
  return {{"in", file.in.string()},
          {"out", file.out.string()},
          {"format", quantization::format_name(file.format)},
          {"bytes_before", file.bytes_before},
          {"bytes_after", file.bytes_after},
          {"nodes_changed", file.changes.nodes},
          {"nodes_kept", std::move(kept)}};
}

}  // namespace

void print_report(const Report& report) {
  print_sizes(report);
  print_errors(report);
  print_answers(report);
  print_speeds(report);
}

void print_trial(const Trial& trial) {
  const std::string outcome = !trial.error.empty()
                                  ? trial.error
                                  : std::to_string(trial.changed) + " of " + std::to_string(trial.answers) +
                                        " answers changed" + (trial.keeps ? "" : ": too many");
  std::printf("%10s  %s: %s\n", bytes_text(trial.bytes).c_str(), mix_text(trial).c_str(), outcome.c_str());
  std::fflush(stdout);
}

nlohmann::json report_json(const Report& report) {
  nlohmann::json json{{"bytes_before", report.bytes_before()},
                      {"bytes_after", report.bytes_after()},
                      {"answers", report.answers},
                      {"answers_changed", report.changed.size()}};
  for (const auto& file : report.files) json["files"].push_back(file_json(file));
  for (const auto& row : report.errors)
    json["outputs"].push_back({{"graph", row.graph},
                               {"output", row.output},
                               {"max_abs", row.max_abs},
                               {"relative_rms", row.relative},
                               {"note", row.note}});
  for (const auto& change : report.changed)
    json["changed"].push_back(
        {{"sample", change.sample}, {"before", change.before}, {"after", change.after}});
  for (const auto& speed : report.speeds)
    json["speed"].push_back(
        {{"device", speed.device}, {"before_ms", speed.before}, {"after_ms", speed.after}});
  return json;
}

}  // namespace vulcap::apps
