#include "apps/benchmark/plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "apps/benchmark/measure.h"

namespace vulcap::apps {
namespace {

// Units of the view box.
constexpr double kWidth = 760, kLabels = 190, kNotes = 110, kRow = 30, kBar = 18, kAxis = 34, kLegend = 26;
constexpr int kColors = 8;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string color_class(size_t index) { return "c" + std::to_string(index % kColors); }

std::string text_at(double x, double y, const std::string& anchor, const std::string& text,
                    const std::string& css = "") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\" class=\"" +
         css + "\">" + escaped(text) + "</text>\n";
}

std::string line_at(double x1, double y1, double x2, double y2, const std::string& css) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" +
         number(y2) + "\" class=\"" + css + "\"/>\n";
}

std::string svg(double height, const std::string& content) {
  return "<svg viewBox=\"0 0 " + number(kWidth) + " " + number(height) + "\" role=\"img\">\n" + content +
         "</svg>\n";
}

// 1, 2 or 5 times a power of ten, for about four of them up to `most`.
double tick_step(double most) {
  const double rough = most / 4;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power) return factor * power;
  return 10 * power;
}

// From 0 to what `most` needs, between two places.
struct Scale {
  Scale(double most, double from, double to) : step(tick_step(std::max(most, 1e-12))), begin(from), end(to) {
    top = std::ceil(std::max(most, 1e-12) / step - 1e-6) * step;
  }
  double at(double value) const { return begin + (end - begin) * value / top; }

  double step, begin, end, top;
};

Scale row_scale(double most) { return {most, kLabels, kWidth - kNotes}; }

std::string row_axis(const Scale& scale, double height, const std::string& unit) {
  std::string text;
  for (double value = 0; value <= scale.top * 1.0001; value += scale.step) {
    text += line_at(scale.at(value), 0, scale.at(value), height, "grid");
    text += text_at(scale.at(value), height + 16, "middle", number(value) + (value == 0 ? "" : " " + unit),
                    "tick");
  }
  return text;
}

std::string legend(const std::vector<std::string>& names, double y) {
  std::string text;
  double x = kLabels;
  for (size_t i = 0; i < names.size(); ++i) {
    text += "<rect x=\"" + number(x) + "\" y=\"" + number(y) +
            "\" width=\"10\" height=\"10\" rx=\"2\" class=\"" + color_class(i) + "\"/>\n";
    text += text_at(x + 15, y + 9, "start", names[i], "tick");
    x += 28 + 6.2 * double(names[i].size());
  }
  return text;
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string bar_plot(const std::vector<Bar>& bars, const std::vector<std::string>& names,
                     const std::string& unit) {
  double most = 0;
  for (const Bar& bar : bars) {
    double sum = 0;
    for (double part : bar.parts) sum += part;
    most = std::max(most, sum);
  }
  const Scale scale = row_scale(most);
  const double height = kRow * double(bars.size());
  std::string content = row_axis(scale, height, unit);
  for (size_t row = 0; row < bars.size(); ++row) {
    const double y = kRow * double(row) + (kRow - kBar) / 2;
    content += text_at(kLabels - 8, y + kBar - 5, "end", bars[row].label);
    double sum = 0;
    for (size_t i = 0; i < bars[row].parts.size(); ++i) {
      const double part = bars[row].parts[i];
      content += "<rect x=\"" + number(scale.at(sum)) + "\" y=\"" + number(y) + "\" width=\"" +
                 number(scale.at(part) - scale.at(0)) + "\" height=\"" + number(kBar) + "\" class=\"" +
                 color_class(i) + "\"><title>" + (i < names.size() ? escaped(names[i]) + ": " : "") +
                 number(part) + " " + unit + "</title></rect>\n";
      sum += part;
    }
    content += text_at(scale.at(sum) + 6, y + kBar - 5, "start", bars[row].note, "note");
  }
  if (names.size() > 1) content += legend(names, height + kAxis - 6);
  return svg(height + kAxis + (names.size() > 1 ? kLegend : 0), content);
}

std::string strip_plot(const std::vector<Strip>& strips, const std::string& unit) {
  double most = 0;
  for (const Strip& strip : strips) most = std::max(most, quantile(strip.samples, 1));
  const Scale scale = row_scale(most);
  const double height = kRow * double(strips.size());
  std::string content = row_axis(scale, height, unit);
  for (size_t row = 0; row < strips.size(); ++row) {
    const std::vector<double>& samples = strips[row].samples;
    const double y = kRow * (double(row) + 0.5);
    content += text_at(kLabels - 8, y + 4, "end", strips[row].label);
    for (size_t i = 0; i < samples.size(); ++i) {
      const double spread = double(i % 5) * 2.5 - 5;
      content += "<circle cx=\"" + number(scale.at(samples[i])) + "\" cy=\"" + number(y + spread) +
                 "\" r=\"2.6\" class=\"dot " + color_class(row) + "\"/>\n";
    }
    const double middle = scale.at(median(samples)), high = scale.at(quantile(samples, 0.95));
    content += line_at(middle, y - 11, middle, y + 11, "median") + line_at(high, y - 11, high, y + 11, "p95");
    content += text_at(kWidth - kNotes + 6, y + 4, "start", number(median(samples)) + " " + unit, "note");
  }
  return svg(height + kAxis, content);
}

std::string line_plot(const std::vector<Line>& lines, const std::string& x_title,
                      const std::string& y_title) {
  std::set<double> places;
  double most = 0;
  for (const Line& line : lines)
    for (const auto& [x, y] : line.points) {
      places.insert(x);
      most = std::max(most, y);
    }
  constexpr double kHeight = 260, kTop = 24, kLeft = 70;
  const Scale scale(most, kHeight, kTop);
  const std::vector<double> all(places.begin(), places.end());
  const auto x_of = [&](double x) {
    const auto index = double(std::lower_bound(all.begin(), all.end(), x) - all.begin());
    return kLeft + 20 + (kWidth - kLeft - 60) * (all.size() < 2 ? 0.5 : index / double(all.size() - 1));
  };
  std::string content = text_at(kLeft, 12, "middle", y_title, "tick");
  for (double value = 0; value <= scale.top * 1.0001; value += scale.step) {
    content += line_at(kLeft, scale.at(value), kWidth - 20, scale.at(value), "grid");
    content += text_at(kLeft - 8, scale.at(value) + 4, "end", number(value), "tick");
  }
  for (double x : all) content += text_at(x_of(x), kHeight + 18, "middle", number(x), "tick");
  content += text_at(kWidth - 20, kHeight + 36, "end", x_title, "tick");
  std::vector<std::string> names;
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string points;
    for (const auto& [x, y] : lines[i].points) {
      points += number(x_of(x)) + "," + number(scale.at(y)) + " ";
      content += "<circle cx=\"" + number(x_of(x)) + "\" cy=\"" + number(scale.at(y)) +
                 "\" r=\"4\" class=\"" + color_class(i) + "\"><title>" + escaped(lines[i].name) + ": " +
                 number(y) + "</title></circle>\n";
    }
    content += "<polyline points=\"" + points + "\" class=\"line s" + std::to_string(i % kColors) + "\"/>\n";
    names.push_back(lines[i].name);
  }
  return svg(kHeight + 70, content + legend(names, kHeight + 48));
}

}  // namespace vulcap::apps
