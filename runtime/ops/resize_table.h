// The numbers behind Resize along one axis: which elements each output mixes, with what weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vulcap::ops {

struct ResizeAxis {
  int64_t in = 1, out = 1;
  double scale = 1;
  double roi_begin = 0, roi_end = 1;
};

struct ResizeRule {
  std::string mode = "nearest";  // nearest, linear, cubic
  std::string coordinates = "half_pixel";
  std::string rounding = "round_prefer_floor";
  double cubic_a = -0.75;
  double extrapolation = 0;
  bool exclude_outside = false;
  bool antialias = false;
};

// Row j: elements index[j * taps ...] with weights weight[j * (taps + 1) ...], whose last is added itself.
struct ResizeTable {
  size_t taps = 1;
  std::vector<int32_t> index;
  std::vector<float> weight;

  // Each output is one element as it is.
  bool is_selection = true;
};

ResizeTable resize_table(const ResizeAxis& axis, const ResizeRule& rule);

}  // namespace vulcap::ops
