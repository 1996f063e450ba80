#include "loader/conversion/quantization/calibration/range.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "runtime/core/error.h"

namespace vulcap::quantization {
namespace {

constexpr int kLevels = 128;  // of a magnitude in 8 bits

Range clipped(const Histogram& seen, double low, double high) {
  return {std::min(0.0, std::max(low, seen.min())), std::max(0.0, std::min(high, seen.max()))};
}

// Counts by magnitude.
std::vector<double> folded(const Histogram& seen) {
  std::vector<double> counts(Histogram::kHalf, 0);
  for (int bin = 0; bin < Histogram::kHalf; ++bin)
    counts[size_t(bin)] = double(seen.in_bin(bin)) + double(seen.in_bin(-bin - 1));
  while (counts.size() > kLevels && counts.back() == 0) counts.pop_back();
  return counts;
}

// What the first `kept` counts become when they are stored in kLevels steps: a step's numbers are spread
// evenly over those of its bins that hold any.
std::vector<double> in_levels(std::span<const double> counts, size_t kept) {
  std::vector<double> result(kept, 0);
  for (size_t level = 0; level < kLevels; ++level) {
    const size_t begin = level * kept / kLevels, end = (level + 1) * kept / kLevels;
    double sum = 0, bins = 0;
    for (size_t i = begin; i < end; ++i) {
      sum += counts[i];
      bins += counts[i] > 0 ? 1 : 0;
    }
    for (size_t i = begin; i < end; ++i) result[i] = counts[i] > 0 ? sum / bins : 0;
  }
  return result;
}

// Of the counts with all beyond `kept` in the last place against the same in steps; the counts sum to
// `total`.
double divergence(std::span<const double> counts, size_t kept, double total, double beyond) {
  const std::vector<double> stepped = in_levels(counts, kept);
  double stepped_total = 0;
  for (const double count : stepped) stepped_total += count;
  double result = 0;
  for (size_t i = 0; i < kept; ++i) {
    const double p = (counts[i] + (i + 1 == kept ? beyond : 0)) / total;
    if (p == 0) continue;
    if (stepped[i] == 0) return std::numeric_limits<double>::infinity();
    result += p * std::log(p / (stepped[i] / stepped_total));
  }
  return result;
}

}  // namespace

RangeMethod parse_range_method(std::string_view name) {
  if (name == "minmax") return RangeMethod::kMinMax;
  if (name == "percentile") return RangeMethod::kPercentile;
  if (name == "entropy") return RangeMethod::kEntropy;
  throw core::Error(core::ErrorCode::kUsage, "unknown calibration method '" + std::string(name) +
                                                 "'; known are minmax, percentile and entropy");
}

Range min_max_range(const Histogram& seen) { return clipped(seen, seen.min(), seen.max()); }

Range percentile_range(const Histogram& seen, double percentile) {
  const double tail = double(seen.count()) * (100 - percentile) / 200;
  int first = -Histogram::kHalf, last = Histogram::kHalf - 1;
  double below = 0, above = 0;
  while (first < last && below + double(seen.in_bin(first)) <= tail) below += double(seen.in_bin(first++));
  while (last > first && above + double(seen.in_bin(last)) <= tail) above += double(seen.in_bin(last--));
  return clipped(seen, first * seen.width(), (last + 1) * seen.width());
}

Range entropy_range(const Histogram& seen) {
  const std::vector<double> counts = folded(seen);
  double total = 0;
  for (const double count : counts) total += count;
  if (counts.size() <= kLevels || total == 0) return min_max_range(seen);
  double beyond = total, best = std::numeric_limits<double>::infinity();
  size_t kept = counts.size();
  for (size_t i = 0; i < kLevels; ++i) beyond -= counts[i];
  for (size_t cut = kLevels; cut <= counts.size(); ++cut) {
    const double lost = divergence(counts, cut, total, beyond);
    if (lost <= best) {
      best = lost;
      kept = cut;
    }
    if (cut < counts.size()) beyond -= counts[cut];
  }
  const double limit = double(kept) * seen.width();
  return clipped(seen, -limit, limit);
}

}  // namespace vulcap::quantization
