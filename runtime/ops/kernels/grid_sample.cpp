#include <algorithm>
#include <array>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

// The elements along one axis that a sample is made of.
struct Taps {
  size_t count = 0;
  std::array<int64_t, 4> at{};  // -1: outside, it counts as 0
  std::array<double, 4> weight{};
};

// Coordinates are floats as in the shader, so that both round alike.
float reflected(float x, float low, float high) {
  const float range = high - low;
  if (range <= 0) return low;
  const float distance = x < low ? low - x : x > high ? x - high : -1;
  if (distance < 0) return x;
  const float turns = std::floor(distance / range), rest = distance - turns * range;
  const bool from_low = (std::fmod(turns, 2.0f) == 0) == (x < low);
  return from_low ? low + rest : high - rest;
}

double cubic(double t) {
  constexpr double kA = -0.75;
  t = std::abs(t);
  if (t <= 1) return ((kA + 2) * t - (kA + 3)) * t * t + 1;
  return t < 2 ? ((kA * t - 5 * kA) * t + 8 * kA) * t - 4 * kA : 0;
}

Taps taps(const abi::GridSampleParams& p, float coordinate, uint32_t size) {
  const float n = float(size);
  const float low = p.align ? 0.0f : -0.5f, high = p.align ? n - 1 : n - 0.5f;
  float x = p.align ? (coordinate + 1) / 2 * (n - 1) : ((coordinate + 1) * n - 1) / 2;
  if (p.mode == abi::kSampleNearest) x = std::nearbyint(x);
  if (p.padding == abi::kSampleBorder && p.mode != abi::kSampleCubic) x = std::clamp(x, 0.0f, n - 1);
  if (p.padding == abi::kSampleReflection) x = reflected(x, low, high);
  Taps result;
  result.count = p.mode == abi::kSampleNearest ? 1 : p.mode == abi::kSampleLinear ? 2 : 4;
  const float first = (p.mode == abi::kSampleNearest ? x : std::floor(x)) - (result.count == 4 ? 1.0f : 0.0f);
  for (size_t i = 0; i < result.count; ++i) {
    const float at = first + float(i), distance = x - at;
    result.weight[i] = result.count == 1   ? 1
                       : result.count == 2 ? 1 - std::abs(double(distance))
                                           : cubic(distance);
    const float place = p.padding == abi::kSampleBorder       ? std::clamp(at, 0.0f, n - 1)
                        : p.padding == abi::kSampleReflection ? reflected(at, low, high)
                                                              : at;
    result.at[i] = place >= 0 && place < n ? int64_t(place) : -1;
  }
  return result;
}

double sample(const KernelArgs& args, const std::array<Taps, 3>& axes, size_t plane) {
  const auto& p = args.call.params_as<abi::GridSampleParams>();
  double sum = 0;
  for (size_t z = 0; z < axes[0].count; ++z) {
    for (size_t y = 0; y < axes[1].count; ++y) {
      for (size_t x = 0; x < axes[2].count; ++x) {
        const int64_t at[] = {axes[0].at[z], axes[1].at[y], axes[2].at[x]};
        if (at[0] < 0 || at[1] < 0 || at[2] < 0) continue;
        const size_t offset =
            ((plane * p.in_size[0] + size_t(at[0])) * p.in_size[1] + size_t(at[1])) * p.in_size[2];
        sum += axes[0].weight[z] * axes[1].weight[y] * axes[2].weight[x] *
               load_real(args.call.variant.storage, args.buffers[0], offset + size_t(at[2]));
      }
    }
  }
  return sum;
}

void grid_sample_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::GridSampleParams>();
  const DType dtype = args.call.variant.storage;
  const size_t places = size_t(p.out_size[0]) * p.out_size[1] * p.out_size[2];
  for (size_t item = 0; item < p.batch * places; ++item) {
    std::array<Taps, 3> axes;
    axes[0] = {1, {0}, {1}};
    for (size_t k = 0; k < p.axes; ++k) {
      const double coordinate = load_real(args.call.variant.second, args.buffers[1], item * p.axes + k);
      axes[2 - k] = taps(p, float(coordinate), p.in_size[2 - k]);
    }
    for (size_t c = 0; c < p.channels; ++c) {
      const size_t plane = item / places * p.channels + c;
      store_real(dtype, args.buffers[2], plane * places + item % places, sample(args, axes, plane));
    }
  }
}

}  // namespace

void kernel_grid_sample(KernelRegistry& registry) {
  registry.add<abi::GridSampleParams>("grid_sample", grid_sample_reference);
}

}  // namespace vulcap::ops
