#include "runtime/generate/softmax.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace vulcap::generate {
namespace {

constexpr std::size_t kBlock = 1024;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Peak {
  float value = -kInfinity;
  bool nan = false;
};

// Vectors of the compiler: one SSE or NEON register, without allowing it to reorder other float arithmetic.
using Floats = float __attribute__((vector_size(16)));
using Ints = int32_t __attribute__((vector_size(16)));
constexpr std::size_t kLanes = 4;

inline Floats load(const float* x) {
  Floats v;
  std::memcpy(&v, x, sizeof(v));
  return v;
}

inline Floats splat(float x) { return Floats{x, x, x, x}; }

Peak find_peak(std::span<const float> scores) {
  Floats best[2] = {splat(-kInfinity), splat(-kInfinity)};
  Ints unordered{};
  std::size_t i = 0;
  for (; i + 2 * kLanes <= scores.size(); i += 2 * kLanes) {
    for (std::size_t j = 0; j < 2; ++j) {
      const Floats x = load(scores.data() + i + j * kLanes);
      best[j] = x > best[j] ? x : best[j];
      unordered |= x != x;
    }
  }
  Peak peak;
  for (; i < scores.size(); ++i) {
    peak.value = std::max(peak.value, scores[i]);
    peak.nan |= std::isnan(scores[i]);
  }
  for (std::size_t j = 0; j < kLanes; ++j) {
    peak.value = std::max({peak.value, best[0][j], best[1][j]});
    peak.nan |= unordered[j] != 0;
  }
  return peak;
}

// exp(x) for x <= 0, within 2 ulp; 0 below -87.
inline Floats exp_of_nonpositive(Floats x) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const Ints in_range = x > splat(-87.0F);
  const Floats clamped = in_range ? x : splat(-87.0F);
  const Floats n = (clamped * kLog2E + kRound) - kRound;
  const Floats r = (clamped - n * kLn2High) - n * kLn2Low;
  Floats p = splat(1.0F / 5040.0F);
  for (const float c : {1.0F / 720.0F, 1.0F / 120.0F, 1.0F / 24.0F, 1.0F / 6.0F, 0.5F, 1.0F, 1.0F})
    p = p * r + c;
  const Ints exponent = (__builtin_convertvector(n, Ints) + 127) << 23;
  Floats scale;
  std::memcpy(&scale, &exponent, sizeof(scale));
  return in_range ? p * scale : splat(0.0F);
}

inline float exp_of_nonpositive(float x) { return exp_of_nonpositive(splat(x))[0]; }

double sum_of_exp(std::span<const float> scores, float peak) {
  double total = 0.0;
  for (std::size_t begin = 0; begin < scores.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, scores.size());
    Floats sum{};
    std::size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) sum += exp_of_nonpositive(load(scores.data() + i) - peak);
    for (; i < end; ++i) total += exp_of_nonpositive(scores[i] - peak);
    for (std::size_t j = 0; j < kLanes; ++j) total += sum[j];
  }
  return total;
}

bool is_degenerate(const Peak& peak) { return peak.nan || !std::isfinite(peak.value); }

}  // namespace

std::size_t argmax(std::span<const float> scores) {
  float best = -kInfinity;
  std::size_t best_block = 0;
  for (std::size_t begin = 0; begin < scores.size(); begin += kBlock) {
    const Peak peak = find_peak(scores.subspan(begin, std::min(kBlock, scores.size() - begin)));
    if (peak.nan) {
      const auto nan = std::find_if(scores.begin(), scores.end(), [](float x) { return std::isnan(x); });
      return static_cast<std::size_t>(nan - scores.begin());
    }
    if (peak.value > best) {
      best = peak.value;
      best_block = begin;
    }
  }
  for (std::size_t i = best_block; i < scores.size(); ++i) {
    if (scores[i] == best) return i;
  }
  return 0;
}

bool has_nan(std::span<const float> scores) { return find_peak(scores).nan; }

void log_softmax(std::span<float> scores) {
  const Peak peak = find_peak(scores);
  if (is_degenerate(peak)) {
    std::fill(scores.begin(), scores.end(), kNan);
    return;
  }
  const float log_sum = static_cast<float>(std::log(sum_of_exp(scores, peak.value)));
  for (float& x : scores) x = (x - peak.value) - log_sum;
}

void softmax(std::span<const float> scores, std::span<float> probabilities) {
  const Peak peak = find_peak(scores);
  if (is_degenerate(peak)) {
    std::fill(probabilities.begin(), probabilities.end(), kNan);
    return;
  }
  const float scale = static_cast<float>(1.0 / sum_of_exp(scores, peak.value));
  std::size_t i = 0;
  for (; i + kLanes <= scores.size(); i += kLanes) {
    const Floats p = exp_of_nonpositive(load(scores.data() + i) - peak.value) * scale;
    std::memcpy(probabilities.data() + i, &p, sizeof(p));
  }
  for (; i < scores.size(); ++i) probabilities[i] = exp_of_nonpositive(scores[i] - peak.value) * scale;
}

}  // namespace vulcap::generate
