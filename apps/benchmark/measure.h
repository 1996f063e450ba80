// What samples are summed up to.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <vector>

namespace vulcap::apps {

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The smallest sample that so large a share of them does not exceed; 0 where there are none.
inline double quantile(std::vector<double> samples, double share) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const auto rank = size_t(std::ceil(share * double(samples.size())));
  return samples[std::clamp<size_t>(rank, 1, samples.size()) - 1];
}

// Of an even number of samples the mean of the two in the middle.
inline double median(std::vector<double> samples) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const size_t half = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[half] : (samples[half - 1] + samples[half]) / 2;
}

inline double mean(const std::vector<double>& samples) {
  if (samples.empty()) return 0;
  return std::accumulate(samples.begin(), samples.end(), 0.0) / double(samples.size());
}

// Of a sample, n - 1; 0 for fewer than two.
inline double standard_deviation(const std::vector<double>& samples) {
  if (samples.size() < 2) return 0;
  const double middle = mean(samples);
  double sum = 0;
  for (double sample : samples) sum += (sample - middle) * (sample - middle);
  return std::sqrt(sum / double(samples.size() - 1));
}

}  // namespace vulcap::apps
