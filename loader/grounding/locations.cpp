#include "loader/grounding/locations.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "loader/grounding/pattern.h"
#include "runtime/core/error.h"

namespace vulcap::grounding {
namespace {

constexpr size_t kFewestCoordinates = 4;

float pixels_per_bin(size_t coordinate, const ImageSize& size) {
  return float(double(coordinate % 2 == 0 ? size.width : size.height) / kBins);
}

[[noreturn]] void refuse(std::string_view region, const std::string& why) {
  throw core::Error(core::ErrorCode::kUsage,
                    "the region '" + std::string(region) + "' " + why +
                        "; give a box as x1,y1,x2,y2 in pixels or as four tokens <loc_0> to <loc_999>");
}

void check_count(std::string_view region, size_t count) {
  if (count < kFewestCoordinates) refuse(region, "has " + std::to_string(count) + " coordinates");
  if (count % 2 != 0) refuse(region, "has an odd number of coordinates (" + std::to_string(count) + ")");
}

// The text is nothing but location tokens.
void check_tokens(std::string_view region) {
  static const Pattern token("<loc_([0-9]+)>", "region");
  size_t length = 0, count = 0;
  for (const Pattern::Match& match : token.find_all(region)) {
    if (match[1].size() > 3) refuse(region, "names a location beyond <loc_999>");
    length += match[0].size();
    ++count;
  }
  if (length != region.size()) refuse(region, "is not made of location tokens alone");
  check_count(region, count);
}

std::optional<double> number(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t");
  if (begin == std::string_view::npos) return std::nullopt;
  double value = 0;
  const auto read = std::from_chars(text.data() + begin, text.data() + end + 1, value);
  if (read.ec != std::errc() || read.ptr != text.data() + end + 1 || !std::isfinite(value))
    return std::nullopt;
  return value;
}

std::vector<double> read_pixels(std::string_view region) {
  std::vector<double> pixels;
  for (size_t begin = 0; begin <= region.size();) {
    const size_t end = std::min(region.find(',', begin), region.size());
    const auto value = number(region.substr(begin, end - begin));
    if (!value) refuse(region, "is not a list of numbers");
    pixels.push_back(*value);
    begin = end + 1;
  }
  check_count(region, pixels.size());
  if (pixels.size() == 4 && (pixels[0] >= pixels[2] || pixels[1] >= pixels[3]))
    refuse(region, "is an empty box: its left top corner comes first");
  return pixels;
}

// Whether a coordinate (0: x, 1: y) of some point lies in or across 0 to `limit`.
bool reaches_image(std::span<const double> pixels, size_t coordinate, int limit) {
  double least = pixels[coordinate], most = pixels[coordinate];
  for (size_t i = coordinate; i < pixels.size(); i += 2) {
    least = std::min(least, pixels[i]);
    most = std::max(most, pixels[i]);
  }
  return least < limit && most >= 0;
}

void check_inside(std::string_view region, std::span<const double> pixels, const ImageSize& size) {
  if (reaches_image(pixels, 0, size.width) && reaches_image(pixels, 1, size.height)) return;
  throw core::Error(core::ErrorCode::kRuntime,
                    "the region '" + std::string(region) + "' lies outside the image of " +
                        std::to_string(size.width) + " x " + std::to_string(size.height) + " pixels");
}

}  // namespace

Points dequantise(std::span<const int64_t> bins, const ImageSize& size) {
  Points points;
  for (size_t i = 0; i < bins.size(); ++i) {
    const float pixel = (float(bins[i]) + 0.5F) * pixels_per_bin(i, size);
    points.push_back(int(std::clamp(pixel, 0.0F, 1e9F)));
  }
  return points;
}

std::vector<int64_t> quantise(std::span<const double> pixels, const ImageSize& size) {
  std::vector<int64_t> bins;
  for (size_t i = 0; i < pixels.size(); ++i) {
    const float bin = std::floor(float(pixels[i]) / pixels_per_bin(i, size));
    bins.push_back(int64_t(std::clamp(bin, 0.0F, float(kBins - 1))));
  }
  return bins;
}

std::string region_tokens(std::string_view region, const ImageSize& size) {
  if (region.find('<') != std::string_view::npos) {
    check_tokens(region);
    return std::string(region);
  }
  const std::vector<double> pixels = read_pixels(region);
  check_inside(region, pixels, size);
  std::string tokens;
  for (const int64_t bin : quantise(pixels, size)) tokens += "<loc_" + std::to_string(bin) + ">";
  return tokens;
}

}  // namespace vulcap::grounding
