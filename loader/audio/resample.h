// Change of sampling rate by windowed-sinc interpolation, as torchaudio.functional.resample does it with its
// defaults (Hann window, 6 zero crossings, roll-off 0.99), which transformers' speech pipeline uses.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vulcap::audio {

inline constexpr int64_t kLowestRate = 1000;
inline constexpr int64_t kHighestRate = 768000;

// ceil(samples * to / from) samples. Rates in samples a second; throws core::Error(kRuntime) for one outside
// [kLowestRate, kHighestRate].
std::vector<float> resample(std::span<const float> samples, int64_t from, int64_t to);

}  // namespace vulcap::audio
