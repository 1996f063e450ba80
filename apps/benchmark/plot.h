// Plots as inline SVG; colours and fonts come from the style sheet of the page (page_style.h).
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace vulcap::apps {

// Text for HTML and SVG.
std::string escaped(const std::string& text);

// One horizontal bar made of parts; the value of each part is >= 0.
struct Bar {
  std::string label;
  std::vector<double> parts;
  std::string note;  // behind the bar
};
// `names` of the parts make the legend; fewer than two: none. `unit` stands behind the numbers of the axis.
std::string bar_plot(const std::vector<Bar>& bars, const std::vector<std::string>& names,
                     const std::string& unit);

struct Line {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x rising
};
// Equal distances between the x that occur, as suits 1, 2, 4, 8, 16.
std::string line_plot(const std::vector<Line>& lines, const std::string& x_title, const std::string& y_title);

// A row of dots, with a mark at the median and one at the 95th percentile.
struct Strip {
  std::string label;
  std::vector<double> samples;
};
std::string strip_plot(const std::vector<Strip>& strips, const std::string& unit);

}  // namespace vulcap::apps
