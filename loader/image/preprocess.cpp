#include "loader/image/preprocess.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "loader/image/frames.h"
#include "loader/image/patches.h"
#include "loader/image/value_table.h"
#include "runtime/core/error.h"

namespace vulcap::image {
namespace {

int to_dimension(std::int64_t value, const Image& image) {
  if (value > 0 && value <= std::numeric_limits<int>::max()) return static_cast<int>(value);
  throw core::Error(core::ErrorCode::kRuntime,
                    "preprocess: an image of " + std::to_string(image.width) + "x" +
                        std::to_string(image.height) +
                        " pixels is too elongated to be resized by its shorter side; crop it first");
}

Size resized_size(const Image& image, const PreprocessConfig& config) {
  if (config.resize_rule == ResizeRule::kNone) return {image.width, image.height};
  if (config.resize_rule == ResizeRule::kFixed) return {config.target_width, config.target_height};
  if (config.resize_rule == ResizeRule::kPixelRange) return smart_resize(image.width, image.height, config);
  const std::int64_t short_side = std::min(image.width, image.height);
  const std::int64_t long_side = std::max(image.width, image.height);
  const double scaled =
      static_cast<double>(config.shortest_edge * long_side) / static_cast<double>(short_side);
  const int new_long = to_dimension(static_cast<std::int64_t>(scaled), image);
  return image.width <= image.height ? Size{config.shortest_edge, new_long}
                                     : Size{new_long, config.shortest_edge};
}

// One axis of a centre crop: output i shows the resized image at i + offset; [begin, begin + length) of the
// output is inside the image.
struct CropAxis {
  int offset;
  int begin;
  int length;
};

CropAxis crop_axis(int image_size, int crop_size) {
  const int difference = image_size - crop_size;
  const int offset = difference >= 0 ? difference / 2 : -((1 - difference) / 2);
  const int begin = std::max(0, -offset);
  return {offset, begin, std::min(crop_size, image_size)};
}

void write_channel(const Image& image, int channel, const std::array<float, 256>& table, float* out,
                   int out_width) {
  const std::uint8_t* in = image.rgb.data() + channel;
  for (int y = 0; y < image.height; ++y, out += out_width) {
    for (int x = 0; x < image.width; ++x, in += 3) out[x] = table[*in];
  }
}

PixelValues values_of_frames(const Image& image, const PreprocessConfig& config) {
  const Frames frames = cut_frames(image, config);
  PixelValues result;
  result.height = result.width = config.frame;
  result.frames = static_cast<int>(frames.images.size());
  result.frame_rows = frames.rows;
  result.frame_columns = frames.columns;
  const ValueTable table = make_value_table(config);
  const std::size_t plane = static_cast<std::size_t>(config.frame) * static_cast<std::size_t>(config.frame);
  result.data.resize(plane * 3 * frames.images.size());
  float* out = result.data.data();
  for (const Image& frame : frames.images) {
    for (int channel = 0; channel < 3; ++channel, out += plane)
      write_channel(frame, channel, table[static_cast<std::size_t>(channel)], out, config.frame);
  }
  return result;
}

}  // namespace

PixelValues preprocess(const Image& image, const PreprocessConfig& config) {
  if (image.width <= 0 || image.height <= 0) {
    throw core::Error(core::ErrorCode::kRuntime, "preprocess: the image is empty");
  }
  if (config.resize_rule == ResizeRule::kFrames) return values_of_frames(image, config);
  const Size size = resized_size(image, config);
  PixelValues result;
  result.height = config.do_center_crop ? config.crop_height : size.height;
  result.width = config.do_center_crop ? config.crop_width : size.width;
  const CropAxis rows = crop_axis(size.height, result.height);
  const CropAxis columns = crop_axis(size.width, result.width);
  const Window window{columns.begin + columns.offset, rows.begin + rows.offset, columns.length, rows.length};
  const Image visible = resize_window(image, size.width, size.height, config.resample, window);
  const ValueTable table = make_value_table(config);
  const std::size_t plane = static_cast<std::size_t>(result.height) * static_cast<std::size_t>(result.width);
  result.data.resize(plane * 3);
  for (int channel = 0; channel < 3; ++channel) {
    float* out = result.data.data() + plane * static_cast<std::size_t>(channel);
    const auto& values = table[static_cast<std::size_t>(channel)];
    if (rows.length != result.height || columns.length != result.width) std::fill_n(out, plane, values[0]);
    out += static_cast<std::ptrdiff_t>(rows.begin) * result.width + columns.begin;
    write_channel(visible, channel, values, out, result.width);
  }
  return result;
}

}  // namespace vulcap::image
