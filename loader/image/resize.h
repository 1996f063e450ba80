// Resizing as Pillow's Image.resize does it for RGB8 images, bit for bit (ImagingResample; nearest:
// ImagingScaleAffine).
#pragma once

#include "loader/image/image.h"

namespace vulcap::image {

// The values are those of PIL.Image.Resampling and of "resample" in preprocessor_config.json.
enum class Filter : int { kNearest = 0, kLanczos = 1, kBilinear = 2, kBicubic = 3, kBox = 4, kHamming = 5 };

// A rectangle of pixels; (x, y) is its upper left corner.
struct Window {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

// Scales the whole of `source` to width x height pixels. Filters other than nearest grow with the reduction
// (antialiasing); two passes with 8 bits between them, the vertical one first where Pillow 13 does so: where
// source height - height is positive and more than twice source width - width. Throws core::Error(kRuntime)
// when a size is not positive or the result exceeds kMaxPixels.
Image resize(const Image& source, int width, int height, Filter filter);

// The part `window` of resize(source, width, height, filter), at the cost of that part only; the limit on
// pixels applies to the window. The window must lie inside the resized image and not be empty.
Image resize_window(const Image& source, int width, int height, Filter filter, const Window& window);

}  // namespace vulcap::image
