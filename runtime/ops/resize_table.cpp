#include "runtime/ops/resize_table.h"

#include <algorithm>
#include <cmath>

namespace vulcap::ops {
namespace {

// Where output `x` lies among the inputs; in float, so that ties fall as they do for others.
float source_of(const ResizeAxis& a, const std::string& mode, int64_t x) {
  const float at = float(x), scale = float(a.scale), in = float(a.in);
  const float width = scale * in;  // the output's size before it was rounded down
  if (mode == "asymmetric") return at / scale;
  if (mode == "tf_half_pixel_for_nn") return (at + 0.5f) / scale;
  if (mode == "pytorch_half_pixel" && a.out <= 1) return 0;
  if (mode == "align_corners") return a.out <= 1 ? 0.0f : at * (in - 1) / (width - 1);
  if (mode == "tf_crop_and_resize") {
    const float begin = float(a.roi_begin), end = float(a.roi_end);
    if (a.out <= 1) return 0.5f * (begin + end) * (in - 1);
    return begin * (in - 1) + at * (end - begin) * (in - 1) / float(a.out - 1);
  }
  const float middle = (at + 0.5f) / scale - 0.5f;
  if (mode != "half_pixel_symmetric") return middle;
  return in / 2 * (1 - float(a.out) / width) + middle;
}

int64_t nearest(float x, const std::string& rounding, double scale) {
  if (rounding == "simple") return int64_t(scale < 1 ? std::ceil(x) : std::floor(x));
  if (rounding == "floor") return int64_t(std::floor(x));
  if (rounding == "ceil") return int64_t(std::ceil(x));
  if (rounding == "round_prefer_ceil") return int64_t(std::floor(x + 0.5f));
  return int64_t(std::ceil(x - 0.5f));
}

double linear_weight(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

double cubic_weight(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0.0;
}

struct Mix {
  int64_t first = 0;  // element of the first weight; may lie outside
  std::vector<double> weights;
};

// Antialiasing stretches the filter by the factor of the reduction.
Mix mix_at(double x, double scale, const ResizeRule& rule) {
  const double squeeze = rule.antialias ? std::min(1.0, scale) : 1.0;
  const double reach = (rule.mode == "cubic" ? 2.0 : 1.0) / squeeze;
  const auto whole = int64_t(std::floor(x));
  const auto before = int64_t(std::floor(-reach)) + 1;
  Mix mix{whole + before, {}};
  double sum = 0;
  for (int64_t i = before; i < 2 - before; ++i) {
    const double distance = (double(whole + i) - x) * squeeze;
    mix.weights.push_back(rule.mode == "cubic" ? cubic_weight(distance, rule.cubic_a)
                                               : linear_weight(distance));
    sum += mix.weights.back();
  }
  for (double& weight : mix.weights) weight /= rule.antialias ? sum : 1.0;
  return mix;
}

void exclude_outside(Mix& mix, int64_t size) {
  double sum = 0;
  for (size_t i = 0; i < mix.weights.size(); ++i) {
    const int64_t at = mix.first + int64_t(i);
    if (at < 0 || at >= size) mix.weights[i] = 0;
    sum += mix.weights[i];
  }
  for (double& weight : mix.weights) weight /= sum == 0 ? 1.0 : sum;
}

Mix mix_of(const ResizeAxis& axis, const ResizeRule& rule, float x) {
  if (rule.mode == "nearest") return {nearest(x, rule.rounding, axis.scale), {1.0}};
  Mix mix = mix_at(double(x), axis.scale, rule);
  if (rule.exclude_outside) exclude_outside(mix, axis.in);
  return mix;
}

}  // namespace

ResizeTable resize_table(const ResizeAxis& axis, const ResizeRule& rule) {
  ResizeTable table;
  table.taps = mix_of(axis, rule, 0).weights.size();
  for (int64_t j = 0; j < axis.out; ++j) {
    const float x = source_of(axis, rule.coordinates, j);
    const bool outside = rule.coordinates == "tf_crop_and_resize" && (x < 0 || x > float(axis.in - 1));
    const Mix mix = mix_of(axis, rule, x);
    for (size_t t = 0; t < table.taps; ++t) {
      table.index.push_back(int32_t(std::clamp<int64_t>(mix.first + int64_t(t), 0, axis.in - 1)));
      table.weight.push_back(outside ? 0.0f : float(mix.weights[t]));
    }
    table.weight.push_back(outside ? float(rule.extrapolation) : 0.0f);
    table.is_selection = table.is_selection && table.taps == 1 && !outside;
  }
  return table;
}

}  // namespace vulcap::ops
