#include "loader/conversion/quantization/finite.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/core/half.h"

namespace vulcap::quantization {

void require_finite(const core::Tensor& weight, const std::string& name) {
  const auto is_finite = [](float number) { return std::isfinite(number); };
  const auto floats = weight.as<float>();
  const auto halves = weight.as<uint16_t>();
  const bool finite = weight.dtype() == core::DType::kF16
                          ? std::all_of(halves.begin(), halves.end(),
                                        [&](uint16_t half) { return is_finite(core::half_to_float(half)); })
                          : std::all_of(floats.begin(), floats.end(), is_finite);
  if (!finite)
    throw core::Error(
        core::ErrorCode::kInvalidModel,
        "weight " + name + " holds numbers that are not finite; exclude the node that reads it");
}

}  // namespace vulcap::quantization
