#include "loader/conversion/quantization/calibration/histogram.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/error.h"

namespace vulcap::quantization {

void Histogram::add(std::span<const float> values) {
  if (values.empty()) return;
  double low = double(values[0]), high = low;
  for (const float value : values) {
    if (!std::isfinite(value))
      throw core::Error(core::ErrorCode::kRuntime,
                        "the calibration data leads to Inf or NaN; vulcap run --check-finite says where");
    low = std::min(low, double(value));
    high = std::max(high, double(value));
  }
  min_ = count_ == 0 ? low : std::min(min_, low);
  max_ = count_ == 0 ? high : std::max(max_, high);
  make_room(low);
  make_room(high);
  const double inverse = 1 / width_;
  for (const float value : values) ++bins_[size_t(int(std::floor(double(value) * inverse)) + kHalf)];
  count_ += values.size();
}

void Histogram::make_room(double value) {
  while (value < -kHalf * width_ || value >= kHalf * width_) halve();
}

// Pairs of bins become one.
void Histogram::halve() {
  std::vector<uint64_t> wider(2 * kHalf, 0);
  for (int bin = -kHalf; bin < kHalf; ++bin) {
    const int to = (bin - (bin < 0 ? 1 : 0)) / 2;  // rounded down
    wider[size_t(to + kHalf)] += in_bin(bin);
  }
  bins_ = std::move(wider);
  width_ *= 2;
}

}  // namespace vulcap::quantization
