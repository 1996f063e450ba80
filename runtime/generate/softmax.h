// Reductions over one row of scores, in float32 as torch does them.
#pragma once

#include <cstddef>
#include <span>

namespace vulcap::generate {

// Index of the largest score, the lowest one on ties; a NaN counts as largest (torch.argmax). One pass.
std::size_t argmax(std::span<const float> scores);

bool has_nan(std::span<const float> scores);

// In place. All NaN when a score is NaN or +inf, or when all are -inf (as torch).
void log_softmax(std::span<float> scores);

// Same length in and out; they may be the same memory.
void softmax(std::span<const float> scores, std::span<float> probabilities);

}  // namespace vulcap::generate
