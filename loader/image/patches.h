// Qwen2-VL's vision input: an image becomes rows of flattened patches and the grid they form. Follows
// Qwen2VLImageProcessor of transformers 4.57 (slow, Pillow).
#pragma once

#include <cstdint>
#include <vector>

#include "loader/image/preprocess.h"

namespace vulcap::image {

struct Size {
  int width;
  int height;
};

// The size nearest to the image's whose sides are multiples of patch_size * merge_size and whose area is in
// [min_pixels, max_pixels], the aspect kept as far as that allows. Throws core::Error(kRuntime) for an image
// more than 200 times as long as wide.
Size smart_resize(int width, int height, const PreprocessConfig& config);

struct Patches {
  std::vector<float> data;  // f32[grid_t * grid_h * grid_w, width], see to_patches
  std::int64_t grid_t = 0;
  std::int64_t grid_h = 0;
  std::int64_t grid_w = 0;
  std::int64_t width = 0;  // channels * temporal_patch_size * patch_size^2

  std::int64_t count() const { return grid_t * grid_h * grid_w; }
};

// Rows are ordered so that the merge_size^2 patches that the model merges follow each other; within a row the
// order is channel, frame, y, x. A still image is repeated for all frames of a temporal patch. Throws
// core::Error(kRuntime) when the sides are no multiples of patch_size * merge_size.
Patches to_patches(const PixelValues& pixels, const PreprocessConfig& config);

}  // namespace vulcap::image
