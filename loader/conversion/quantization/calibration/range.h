// Which range of numbers 8 bits are spread over, from what was seen.
#pragma once

#include <string_view>

#include "loader/conversion/quantization/calibration/histogram.h"

namespace vulcap::quantization {

// low <= 0 <= high: zero is always one of the steps.
struct Range {
  double low = 0, high = 0;
};

enum class RangeMethod {
  kMinMax,      // "minmax": all that was seen
  kPercentile,  // "percentile": all but the rarest numbers at the ends
  kEntropy,     // "entropy": cut where the distribution in steps tells most of the one that was seen
};

// Throws core::Error(kUsage) for an unknown name.
RangeMethod parse_range_method(std::string_view name);

Range min_max_range(const Histogram& seen);
// Holds `percentile` (0 to 100) of the numbers; half of the others lie below it, half above.
Range percentile_range(const Histogram& seen, double percentile);
// Cut at the magnitude that loses least (Kullback-Leibler divergence of the numbers in 128 steps of magnitude
// against those seen), and at what was seen.
Range entropy_range(const Histogram& seen);

}  // namespace vulcap::quantization
