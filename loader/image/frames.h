// Idefics3 and SmolVLM show the vision encoder one image as several frames of the same size: tiles row by
// row, then the whole image.
#pragma once

#include <vector>

#include "loader/image/image.h"
#include "loader/image/preprocess.h"

namespace vulcap::image {

struct Frames {
  std::vector<Image> images;  // rows * columns tiles and the whole; all frame x frame pixels
  int rows = 0;               // 0 where the whole image is the only frame
  int columns = 0;
};

// As Idefics3ImageProcessor of transformers 4.57 does before it rescales: the longer side to
// config.longest_edge and then, with split_frames, both sides to multiples of config.frame, whose tiles are
// the frames; without it, one frame. Throws core::Error(kRuntime) like resize().
Frames cut_frames(const Image& image, const PreprocessConfig& config);

}  // namespace vulcap::image
