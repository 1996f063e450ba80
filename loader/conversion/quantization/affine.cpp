#include "loader/conversion/quantization/affine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace vulcap::quantization {
namespace {

using core::DType;

struct Limits {
  int low, high, middle;
};

Limits limits_of(const AffineForm& form) {
  const bool is_signed = form.dtype == DType::kI8;
  const int half = form.reduce_range ? 64 : 128, middle = is_signed ? 0 : half;
  const int high = is_signed && form.reduce_range ? half : middle + half - 1;
  const int low = form.symmetric ? middle - (high - middle) : middle - half;
  return {low, high, middle};
}

struct Step {
  float scale;
  int zero;
};

Step step_for(float low, float high, const Limits& limits, bool symmetric) {
  if (symmetric) {
    high = std::max(-low, high);
    low = -high;
  }
  const float scale = float((double(high) - double(low)) / (limits.high - limits.low));
  if (!(scale >= std::numeric_limits<float>::min())) return {1.0f, symmetric ? limits.middle : 0};
  return {scale, symmetric ? limits.middle : int(std::nearbyint(limits.low - double(low) / scale))};
}

uint8_t stored(float number, const Step& step, const Limits& limits) {
  const int value = int(std::clamp(std::nearbyint(number / step.scale) + float(step.zero), float(limits.low),
                                   float(limits.high)));
  return uint8_t(value);
}

}  // namespace

AffineTensor quantize_affine(const core::Tensor& tensor, const AffineForm& form) {
  const Limits limits = limits_of(form);
  const core::Shape& shape = tensor.shape();
  const size_t steps = form.axis ? size_t(shape.at(size_t(*form.axis))) : 1;
  size_t inner = tensor.size();
  if (form.axis) inner = core::element_count(core::Shape(shape.begin() + *form.axis + 1, shape.end()));
  const auto step_of = [&](size_t index) { return form.axis ? index / inner % steps : 0; };
  const auto numbers = tensor.as<float>();

  std::vector<float> low(steps, 0.0f), high(steps, 0.0f);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const size_t s = step_of(i);
    low[s] = std::min(low[s], numbers[i]);
    high[s] = std::max(high[s], numbers[i]);
  }
  const core::Shape rows = form.axis ? core::Shape{int64_t(steps)} : core::Shape{};
  AffineTensor result{core::Tensor(form.dtype, shape), core::Tensor(DType::kF32, rows),
                      core::Tensor(form.dtype, rows)};
  std::vector<Step> all(steps);
  for (size_t s = 0; s < steps; ++s) {
    all[s] = step_for(low[s], high[s], limits, form.symmetric);
    result.scales.mutable_as<float>()[s] = all[s].scale;
    result.zero_points.mutable_as<uint8_t>()[s] = uint8_t(all[s].zero);
  }
  const auto bytes = result.numbers.mutable_as<uint8_t>();
  for (size_t i = 0; i < numbers.size(); ++i) bytes[i] = stored(numbers[i], all[step_of(i)], limits);
  return result;
}

}  // namespace vulcap::quantization
