// Places in an image as Florence-2 reads and writes them: <loc_0> to <loc_999>, thousandths of the image's
// width or height. Follows Florence2PostProcessor.quantize and dequantize of transformers 4.57, in 32-bit
// floats as torch computes them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "loader/grounding/answer.h"

namespace vulcap::grounding {

inline constexpr int kBins = 1000;

struct ImageSize {
  int width = 0;
  int height = 0;
};

// x, y, x, y, ...: the middle of each bin, rounded down to whole pixels.
Points dequantise(std::span<const int64_t> bins, const ImageSize& size);

// The same pairs in pixels to bins, kept within 0 to 999.
std::vector<int64_t> quantise(std::span<const double> pixels, const ImageSize& size);

// A region as a prompt states it: location tokens stay as they are; "x1,y1,x2,y2" (or more corners) in pixels
// becomes tokens. Throws core::Error(kUsage) for anything else, a number that has no bin, or an odd count,
// and kRuntime for a region that lies outside the image.
std::string region_tokens(std::string_view region, const ImageSize& size);

}  // namespace vulcap::grounding
