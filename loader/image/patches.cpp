#include "loader/image/patches.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "runtime/core/error.h"

namespace vulcap::image {
namespace {

constexpr double kMaxAspect = 200;

[[noreturn]] void fail(const std::string& what) { throw core::Error(core::ErrorCode::kRuntime, what); }

int to_side(double value) {
  if (value >= 1 && value <= double(kMaxPixels)) return int(value);
  fail(
      "preprocess: the image cannot be resized to a multiple of the patch size within min_pixels and "
      "max_pixels");
}

}  // namespace

Size smart_resize(int width, int height, const PreprocessConfig& config) {
  const double aspect = double(std::max(width, height)) / std::min(width, height);
  if (aspect > kMaxAspect) {
    fail("preprocess: an image of " + std::to_string(width) + "x" + std::to_string(height) +
         " pixels is too elongated; the longer side may be at most 200 times the shorter one");
  }
  const double factor = config.patch_size * config.merge_size;
  const double area = double(width) * height;
  // Halves go to the even neighbour, as in Python's round.
  double new_width = std::nearbyint(width / factor) * factor;
  double new_height = std::nearbyint(height / factor) * factor;
  if (new_width * new_height > double(config.max_pixels)) {
    const double shrink = std::sqrt(area / double(config.max_pixels));
    new_width = std::max(factor, std::floor(width / shrink / factor) * factor);
    new_height = std::max(factor, std::floor(height / shrink / factor) * factor);
  } else if (new_width * new_height < double(config.min_pixels)) {
    const double grow = std::sqrt(double(config.min_pixels) / area);
    new_width = std::ceil(width * grow / factor) * factor;
    new_height = std::ceil(height * grow / factor) * factor;
  }
  return {to_side(new_width), to_side(new_height)};
}

Patches to_patches(const PixelValues& pixels, const PreprocessConfig& config) {
  const int patch = config.patch_size;
  const int merge = config.merge_size;
  const int block = patch * merge;
  if (pixels.height % block != 0 || pixels.width % block != 0) {
    fail("preprocess: " + std::to_string(pixels.width) + "x" + std::to_string(pixels.height) +
         " pixels are no multiple of patch_size * merge_size = " + std::to_string(block) +
         "; set do_resize in preprocessor_config.json");
  }
  Patches result{{}, 1, pixels.height / patch, pixels.width / patch, 0};
  result.width = std::int64_t(pixels.channels) * config.temporal_patch_size * patch * patch;
  result.data.reserve(size_t(result.count() * result.width));
  const size_t plane = size_t(pixels.height) * size_t(pixels.width);
  const auto append_patch = [&](int top, int left) {
    for (int channel = 0; channel < pixels.channels; ++channel) {
      for (int frame = 0; frame < config.temporal_patch_size; ++frame) {
        for (int y = top; y < top + patch; ++y) {
          const auto row =
              pixels.data.begin() + std::ptrdiff_t(plane * size_t(channel) + size_t(y) * pixels.width + left);
          result.data.insert(result.data.end(), row, row + patch);
        }
      }
    }
  };
  for (int top = 0; top < pixels.height; top += block) {
    for (int left = 0; left < pixels.width; left += block) {
      for (int i = 0; i < merge * merge; ++i) append_patch(top + i / merge * patch, left + i % merge * patch);
    }
  }
  return result;
}

}  // namespace vulcap::image
