#include "loader/image/frames.h"

#include <algorithm>
#include <cstddef>

#include "loader/image/resize.h"

namespace vulcap::image {
namespace {

// No side is larger after the first resize.
constexpr int kMaxSide = 4096;

struct Size {
  int width;
  int height;
};

double aspect_of(const Size& size) {
  return static_cast<double>(size.width) / static_cast<double>(size.height);
}

// The longer side becomes `edge`; the shorter keeps the proportion and is made even.
Size scaled_to_edge(Size size, int edge) {
  const double aspect = aspect_of(size);
  const auto even = [](double side) {
    const int whole = static_cast<int>(side);
    return std::max(whole + whole % 2, 1);
  };
  return size.width >= size.height ? Size{edge, even(edge / aspect)} : Size{even(edge * aspect), edge};
}

Size limited(Size size) {
  const double aspect = aspect_of(size);
  if (std::max(size.width, size.height) <= kMaxSide) return size;
  return size.width >= size.height ? Size{kMaxSide, std::max(1, static_cast<int>(kMaxSide / aspect))}
                                   : Size{std::max(1, static_cast<int>(kMaxSide * aspect)), kMaxSide};
}

int multiple_of(int frame, int side) { return (side + frame - 1) / frame * frame; }

Size in_whole_frames(Size size, int frame) {
  const double aspect = aspect_of(size);
  if (size.width >= size.height) {
    const int width = multiple_of(frame, size.width);
    return {width, multiple_of(frame, static_cast<int>(width / aspect))};
  }
  const int height = multiple_of(frame, size.height);
  return {multiple_of(frame, static_cast<int>(height * aspect)), height};
}

Image tile(const Image& image, int x, int y, int side) {
  Image result{side, side, {}};
  result.rgb.reserve(static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3);
  for (int row = y; row < y + side; ++row) {
    const auto first = image.rgb.begin() + (static_cast<std::ptrdiff_t>(row) * image.width + x) * 3;
    result.rgb.insert(result.rgb.end(), first, first + std::ptrdiff_t{3} * side);
  }
  return result;
}

}  // namespace

Frames cut_frames(const Image& image, const PreprocessConfig& config) {
  const int frame = config.frame;
  Size size{image.width, image.height};
  Image scaled = image;
  const auto resize_to = [&](Size wanted) {
    size = wanted;
    scaled = resize(scaled, size.width, size.height, config.resample);
  };
  if (config.longest_edge > 0) resize_to(limited(scaled_to_edge(size, config.longest_edge)));
  Frames frames;
  if (!config.split_frames) {
    frames.images.push_back(resize(scaled, frame, frame, config.resample));
    return frames;
  }
  // Of a side that the proportion makes 0 pixels long, resize() says so.
  resize_to(in_whole_frames(size, frame));
  if (size.width > frame || size.height > frame) {
    frames.rows = size.height / frame;
    frames.columns = size.width / frame;
    for (int row = 0; row < frames.rows; ++row) {
      for (int column = 0; column < frames.columns; ++column)
        frames.images.push_back(tile(scaled, column * frame, row * frame, frame));
    }
    scaled = resize(scaled, frame, frame, config.resample);
  }
  frames.images.push_back(std::move(scaled));
  return frames;
}

}  // namespace vulcap::image
