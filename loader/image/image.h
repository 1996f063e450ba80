// The pixel container shared by decoding, resizing and preprocessing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vulcap::image {

// The most pixels of an image, decoded or resized; Pillow refuses above the same number (twice
// MAX_IMAGE_PIXELS).
inline constexpr std::int64_t kMaxPixels = 178'956'970;

// RGB8, row-major, no padding: the channel c of the pixel (x, y) is rgb[(y * width + x) * 3 + c].
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

}  // namespace vulcap::image
