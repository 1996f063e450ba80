#include "loader/audio/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>

#include "runtime/core/error.h"

namespace vulcap::audio {
namespace {

constexpr double kZeroCrossings = 6;
constexpr double kRollOff = 0.99;

// The filter of one phase: taps for the input samples first, first + 1, ... around the phase's own position.
struct Phase {
  int64_t first = 0;
  std::vector<float> taps;
};

// `t` in zero crossings of the low-pass filter.
double windowed_sinc(double t) {
  const double window = std::cos(t * std::numbers::pi / kZeroCrossings / 2);
  const double angle = t * std::numbers::pi;
  return window * window * (angle == 0 ? 1 : std::sin(angle) / angle);
}

// Output sample p of a period of `to` lies at input position p * from / to. `from` and `to` are coprime.
Phase make_phase(int64_t p, int64_t from, int64_t to) {
  const double cutoff = kRollOff * double(std::min(from, to));  // in periods of both rates
  const double reach = kZeroCrossings * double(from) / cutoff;
  const double centre = double(p) * double(from) / double(to);
  Phase phase{int64_t(std::ceil(centre - reach)), {}};
  for (int64_t i = phase.first; double(i) <= centre + reach; ++i) {
    const double t = (double(i) / double(from) - double(p) / double(to)) * cutoff;
    phase.taps.push_back(
        float(windowed_sinc(std::clamp(t, -kZeroCrossings, kZeroCrossings)) * cutoff / double(from)));
  }
  return phase;
}

void check_rate(int64_t rate) {
  if (rate >= kLowestRate && rate <= kHighestRate) return;
  throw core::Error(core::ErrorCode::kRuntime, "a sampling rate of " + std::to_string(rate) +
                                                   " Hz is outside " + std::to_string(kLowestRate) + " to " +
                                                   std::to_string(kHighestRate) + " Hz");
}

float apply(const Phase& phase, std::span<const float> samples, int64_t start) {
  const int64_t begin = std::max<int64_t>(0, -(start + phase.first));
  const int64_t end = std::min(int64_t(phase.taps.size()), int64_t(samples.size()) - start - phase.first);
  double sum = 0;
  for (int64_t i = begin; i < end; ++i)
    sum += double(phase.taps[size_t(i)]) * double(samples[size_t(start + phase.first + i)]);
  return float(sum);
}

}  // namespace

std::vector<float> resample(std::span<const float> samples, int64_t from, int64_t to) {
  check_rate(from);
  check_rate(to);
  if (from == to) return {samples.begin(), samples.end()};
  const int64_t divisor = std::gcd(from, to);
  from /= divisor;
  to /= divisor;
  std::vector<Phase> phases;
  for (int64_t p = 0; p < to; ++p) phases.push_back(make_phase(p, from, to));
  const int64_t length = (int64_t(samples.size()) * to + from - 1) / from;
  std::vector<float> result(static_cast<size_t>(length));
  for (int64_t i = 0; i < length; ++i)
    result[size_t(i)] = apply(phases[size_t(i % to)], samples, i / to * from);
  return result;
}

}  // namespace vulcap::audio
