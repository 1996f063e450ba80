#include "apps/benchmark/page.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <span>
#include <sstream>

#include "apps/benchmark/measure.h"
#include "apps/benchmark/page_style.h"
#include "apps/benchmark/plot.h"
#include "apps/benchmark/report.h"
#include "apps/cli/log.h"
#include "loader/base64.h"
#include "loader/new_file.h"

namespace vulcap::apps {
namespace {

// Pictures beyond these are named, not shown.
constexpr size_t kMostPictures = 24;
constexpr size_t kLargestPicture = 400'000;  // bytes of the file

std::string picture(const std::string& file) {
  std::error_code error;
  if (std::filesystem::file_size(file, error) > kLargestPicture || error) return "";
  std::ifstream in(file, std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  const char* kind = bytes.str().starts_with("\x89PNG") ? "png" : "jpeg";
  return "<img alt=\"\" src=\"data:image/" + std::string(kind) + ";base64," +
         loader::encode_base64(bytes.str()) + "\">";
}

double ms(const Measurement& m, Phase phase) { return median(m.series(phase).seconds) * 1e3; }

Phase whole_of(const Measurement& m) {
  return m.series(Phase::kImage).seconds.empty() ? Phase::kGraphs : Phase::kImage;
}

class Page {
 public:
  Page(const std::vector<Measurement>& measured, const nlohmann::json& machine,
       const std::vector<std::string>& pictures)
      : measured_(measured), machine_(machine), pictures_(pictures) {}

  std::string text() {
    head();
    where_time_goes();
    throughput();
    sweep("batch size", &BenchCase::batch_size);
    sweep("threads", &BenchCase::threads);
    starts();
    spread();
    phases();
    captions();
    fingerprint();
    out_ << "</body></html>\n";
    return out_.str();
  }

 private:
  bool several() const {
    return std::any_of(measured_.begin(), measured_.end(), [&](const Measurement& m) {
      return m.of.peer.empty() && settings_text(m) != settings_text(measured_.front());
    });
  }

  // The engine, with the settings where they are swept.
  std::string label(const Measurement& m) const {
    const BenchCase& first = measured_.front().of;
    const auto differ = [&](auto member) {
      return std::any_of(measured_.begin(), measured_.end(),
                         [&](const Measurement& other) { return other.of.*member != first.*member; });
    };
    std::string text = short_name(m);
    if (differ(&BenchCase::model)) text += ", " + model_name(m.of);
    if (differ(&BenchCase::dtype)) text += ", " + m.of.dtype;
    if (differ(&BenchCase::batch_size)) text += ", batch " + std::to_string(m.of.batch_size);
    if (differ(&BenchCase::threads)) text += ", " + std::to_string(m.of.threads) + " thr.";
    if (differ(&BenchCase::num_beams)) text += ", " + std::to_string(m.of.num_beams) + " beams";
    if (differ(&BenchCase::n_gen)) text += ", " + std::to_string(m.of.n_gen) + " tokens";
    return text;
  }

  void section(const std::string& title, const std::string& remark, const std::string& content) {
    out_ << "<h2>" << escaped(title) << "</h2>\n";
    if (!remark.empty()) out_ << "<p>" << escaped(remark) << "</p>\n";
    out_ << "<section>\n" << content << "</section>\n";
  }

  void card(const std::string& value, const std::string& what) {
    out_ << "<div class=\"card\"><b>" << escaped(value) << "</b><span>" << escaped(what) << "</span></div>\n";
  }

  void head() {
    const Measurement& first = measured_.front();
    out_ << "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         << "<meta name=\"viewport\" content=\"width=device-width\">\n<title>vulcap bench: "
         << escaped(model_name(first.of)) << "</title>\n<style>" << kPageStyle << "</style></head><body>\n"
         << "<h1>vulcap bench: " << escaped(model_name(first.of)) << "</h1>\n<p>"
         << escaped(several() ? dtype_of(first) : settings_text(first)) << ", " << first.images()
         << " images; " << escaped(machine_.at("cpu_info")) << "; " << escaped(time_text())
         << "</p>\n<div class=\"cards\">\n";
    const auto fastest =
        std::max_element(measured_.begin(), measured_.end(), [](const auto& a, const auto& b) {
          return median(a.series(Phase::kImage).rates) < median(b.series(Phase::kImage).rates);
        });
    char rate[32];
    std::snprintf(rate, sizeof rate, "%.4g", median(fastest->series(Phase::kImage).rates));
    card(rate, "images a second, " + label(*fastest));
    card(duration_text(ms(first, whole_of(first)) / 1e3), "an image, " + label(first));
    if (!first.series(Phase::kStartWarm).seconds.empty())
      card(duration_text(ms(first, Phase::kStartWarm) / 1e3),
           "process start to first caption, " + label(first));
    const auto differing = std::count_if(measured_.begin(), measured_.end(), [](const Measurement& m) {
      return !m.is_reference && m.same_captions != m.images();
    });
    if (measured_.size() > 1) card(differing == 0 ? "yes" : "no", "same captions everywhere");
    out_ << "</div>\n";
  }

  void where_time_goes() {
    const std::vector<std::string> names{"decode image", "preprocess", "encode", "prefill",
                                         "tokens",       "tokenise",   "other"};
    std::vector<Bar> bars;
    for (const Measurement& m : measured_) {
      const double tokens = ms(m, Phase::kGraphs) - ms(m, Phase::kEncode) - ms(m, Phase::kPrefill);
      Bar bar{label(m),
              {ms(m, Phase::kDecodeImage), ms(m, Phase::kPreprocess), ms(m, Phase::kEncode),
               ms(m, Phase::kPrefill), std::max(0.0, tokens), ms(m, Phase::kTokenize)},
              duration_text(ms(m, whole_of(m)) / 1e3)};
      const double told = std::accumulate(bar.parts.begin(), bar.parts.end(), 0.0);
      bar.parts.push_back(std::max(0.0, ms(m, whole_of(m)) - told));
      bars.push_back(std::move(bar));
    }
    const std::string times = bar_plot(bars, names, "ms");
    for (Bar& bar : bars) {
      const double sum = std::accumulate(bar.parts.begin(), bar.parts.end(), 0.0);
      for (double& part : bar.parts) part *= sum > 0 ? 100 / sum : 0;
      bar.note.clear();
    }
    section("Where the time goes",
            "An image, medians; a batch's common parts are shared out evenly; \"other\" is what an engine "
            "does not "
            "tell apart. Below, the shares of each engine.",
            times + bar_plot(bars, names, "%"));
  }

  void throughput() {
    std::vector<Bar> bars;
    for (const Measurement& m : measured_) {
      const double rate = median(m.series(Phase::kImage).rates);
      char note[48];
      std::snprintf(note, sizeof note, "%.4g", rate);
      if (rate > 0) bars.push_back({label(m), {rate}, note});
    }
    section("Images a second", "From the file to the text, the model loaded; median over the repetitions.",
            bar_plot(bars, {}, ""));
  }

  void sweep(const std::string& what, int BenchCase::*member) {
    std::map<std::string, std::map<double, double>> lines;
    std::set<int> places;
    for (const Measurement& m : measured_) {
      const double rate = median(m.series(Phase::kImage).rates);
      if (rate <= 0) continue;
      places.insert(m.of.*member);
      double& best = lines[short_name(m)][m.of.*member];
      best = std::max(best, rate);
    }
    if (places.size() < 2) return;
    std::vector<Line> all;
    for (const auto& [name, points] : lines) all.push_back({name, {points.begin(), points.end()}});
    section("Images a second by " + what, "The best of what else was swept.",
            line_plot(all, what, "images/s"));
  }

  void starts() {
    std::vector<Bar> bars;
    for (const Measurement& m : measured_) {
      for (const auto& [phase, name] : {std::pair{Phase::kStartCold, "cold"}, {Phase::kStartWarm, "warm"}}) {
        if (m.series(phase).seconds.empty()) continue;
        bars.push_back({label(m) + ", " + name, {ms(m, phase)}, duration_text(ms(m, phase) / 1e3)});
      }
      bars.push_back({label(m) + ", hot", {ms(m, whole_of(m))}, duration_text(ms(m, whole_of(m)) / 1e3)});
    }
    section(
        "Time to a caption",
        "Cold and warm: from the start of the process, without and with compiled pipelines and the "
        "model's files "
        "in the page cache. Hot: the model is loaded; engines that are given pixel values decode no image.",
        bar_plot(bars, {}, "ms"));
  }

  void spread() {
    std::vector<Strip> strips;
    for (const Measurement& m : measured_) {
      Strip strip{label(m), m.series(whole_of(m)).seconds};
      for (double& sample : strip.samples) sample *= 1e3;
      strips.push_back(std::move(strip));
    }
    section("Spread",
            "Each image of each repetition; the full line is the median, the dashed one the 95th percentile.",
            strip_plot(strips, "ms"));
  }

  void phases() {
    std::string text = "<table><tr><th>median, p95</th>";
    for (const Measurement& m : measured_) text += "<th>" + escaped(label(m)) + "</th>";
    for (const PhaseName& phase : kPhases) {
      text += "</tr>\n<tr><td>" + std::string(phase.title) + "</td>";
      for (const Measurement& m : measured_) {
        const auto& samples = m.series(phase.phase).seconds;
        text += samples.empty() ? "<td>-</td>"
                                : "<td>" + duration_text(median(samples)) + " <small>" +
                                      duration_text(quantile(samples, 0.95)) + "</small></td>";
      }
    }
    text += "</tr>\n" + memory_rows() + "</table>\n";
    section("All phases", "", text);
  }

  std::string memory_rows() const {
    std::string host = "<tr><td>peak host memory</td>", device = "<tr><td>peak device memory</td>",
                fallback = "<tr><td>kernel calls left to the cpu</td>", same = "<tr><td>same caption</td>";
    for (const Measurement& m : measured_) {
      host += "<td>" + bytes_text(m.peak_host_bytes) + "</td>";
      device += "<td>" + (m.peak_device_bytes == 0 ? "-" : bytes_text(m.peak_device_bytes)) + "</td>";
      fallback += "<td>" + std::to_string(m.fallback_calls) + "</td>";
      const bool good = m.is_reference || m.same_captions == m.images();
      same += "<td class=\"" + std::string(good ? "good" : "bad") + "\">" +
              (m.is_reference ? "compared with" : same_text(m)) + "</td>";
    }
    return host + "</tr>\n" + device + "</tr>\n" + fallback + "</tr>\n" + same + "</tr>\n";
  }

  void captions() {
    const auto with_text = std::find_if(measured_.begin(), measured_.end(),
                                        [](const Measurement& m) { return !m.captions.empty(); });
    if (with_text == measured_.end()) return;
    std::string text = "<table>";
    for (size_t i = 0; i < std::min(with_text->captions.size(), kMostPictures); ++i) {
      const std::string file = i < pictures_.size() ? pictures_[i] : "";
      text += "<tr><td>" + (file.empty() ? "" : picture(file)) + "</td><td class=\"text\">" +
              escaped(with_text->captions[i]) + "<br><small>" +
              escaped(std::filesystem::path(file).filename().string()) + "</small>";
      for (const Measurement& m : measured_)
        if (m.of.model == with_text->of.model && i < m.captions.size() &&
            m.captions[i] != with_text->captions[i])
          text += "<br><span class=\"bad\">" + escaped(label(m) + ": " + m.captions[i]) + "</span>";
      text += "</td></tr>\n";
    }
    section(
        "Captions",
        "What " + label(*with_text) + " says; where another engine says something else, that stands below.",
        text + "</table>\n");
  }

  static void add_rows(std::string& text, const std::string& name, const nlohmann::json& values) {
    for (const auto& [key, value] : values.items()) {
      std::string shown;
      if (value.is_array()) {
        for (const auto& item : value) shown += (shown.empty() ? "" : ", ") + item.get<std::string>();
      } else {
        shown = value.is_string() ? value.get<std::string>() : value.dump();
      }
      text += "<tr><td>" + escaped(name + key) + "</td><td class=\"text\"><code>" + escaped(shown) +
              "</code></td></tr>\n";
    }
  }

  void fingerprint() {
    std::string text = "<table>";
    add_rows(text, "", machine_);
    std::set<std::string> told;
    for (const Measurement& m : measured_) {
      if (!told.insert(m.device + m.engine).second) continue;
      add_rows(text, short_name(m) + " ", {{"engine", m.engine}, {"device", m.device}});
      add_rows(text, short_name(m) + " ", m.machine);
    }
    std::set<std::string> digests;
    for (const Measurement& m : measured_) digests.insert(output_digest(m));
    for (const std::string& digest : digests) add_rows(text, "", {{"output_sha256", digest}});
    section("Where these figures come from", "", text + "</table>\n");
  }

  const std::vector<Measurement>& measured_;
  const nlohmann::json& machine_;
  const std::vector<std::string>& pictures_;
  std::ostringstream out_;
};

}  // namespace

void write_page(const std::filesystem::path& file, const std::vector<Measurement>& measured,
                const nlohmann::json& machine, const std::vector<std::string>& pictures) {
  const std::string text = Page(measured, machine, pictures).text();
  loader::NewFile out(file);
  out.write(std::as_bytes(std::span(text)));
  out.commit();
}

}  // namespace vulcap::apps
