// The value that each 8-bit sample becomes after rescaling and normalising, per channel.
#pragma once

#include <array>
#include <cstddef>

#include "loader/image/preprocess.h"

namespace vulcap::image {

using ValueTable = std::array<std::array<float, 256>, 3>;

// Rounds where transformers rounds: the product in 64 bits, then every step in 32.
inline ValueTable make_value_table(const PreprocessConfig& config) {
  ValueTable table;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const float mean = static_cast<float>(config.image_mean[channel]);
    const float deviation = static_cast<float>(config.image_std[channel]);
    for (int sample = 0; sample < 256; ++sample) {
      float value = static_cast<float>(config.do_rescale ? sample * config.rescale_factor : sample);
      if (config.do_normalize) value = (value - mean) / deviation;
      table[channel][static_cast<std::size_t>(sample)] = value;
    }
  }
  return table;
}

}  // namespace vulcap::image
