#include "loader/image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <string>
#include <vector>

#include "runtime/core/error.h"

// The integer loops below gain most from wide vectors: on x86-64 Linux the loader of the program picks a
// version. It does so before ThreadSanitizer, which counts calls, is ready.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__)
#define VULCAP_WIDE_LOOPS __attribute__((target_clones("avx2", "default")))
#else
#define VULCAP_WIDE_LOOPS
#endif

namespace vulcap::image {
namespace {

// Fixed-point coefficients: 8 bits are the pixel's, 2 keep sums with negative lobes inside 32 bits.
constexpr int kPrecisionBits = 32 - 8 - 2;
// The horizontal loop takes this many interleaved samples at a time: a multiple of three channels and eight
// lanes.
constexpr std::size_t kLanes = 24;
constexpr std::size_t kTaps = kLanes / 3;
constexpr std::size_t kVerticalTile = 1024;
constexpr std::size_t kMaxTaps = std::size_t{1} << 26;

[[noreturn]] void fail(const std::string& what) {
  throw core::Error(core::ErrorCode::kRuntime, "resize: " + what);
}

double bilinear(double x) { return std::max(0.0, 1.0 - std::fabs(x)); }

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double hamming(double x) {
  x = std::fabs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= std::numbers::pi;
  return std::sin(x) / x * (0.54f + 0.46f * std::cos(x));
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0; }

struct Kernel {
  double (*weight)(double);
  double support;
};

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::kLanczos:
      return {lanczos, 3.0};
    case Filter::kBilinear:
      return {bilinear, 1.0};
    case Filter::kBicubic:
      return {bicubic, 2.0};
    case Filter::kBox:
      return {box, 0.5};
    case Filter::kHamming:
      return {hamming, 1.0};
    case Filter::kNearest:
      break;
  }
  fail("filter " + std::to_string(static_cast<int>(filter)) + " is unknown; use 0 to 5");
}

// Output i of a pass is the sum over t < count[i] of input first[i] + t times taps[i * stride + t]; further
// taps are 0.
struct Coefficients {
  std::size_t stride = 0;
  std::vector<int> first;
  std::vector<int> count;
  std::vector<std::int32_t> taps;
};

std::int32_t to_fixed(double value) {
  const double scaled = value * (1 << kPrecisionBits);
  return static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

// Coefficients of the outputs [begin, begin + length) of a pass from in_size to out_size samples.
Coefficients make_coefficients(int in_size, int out_size, int begin, int length, const Kernel& kernel) {
  // Pillow keeps the source box in 32-bit floats.
  const double scale = static_cast<double>(static_cast<float>(in_size)) / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kernel.support * filter_scale;
  const double inverse_scale = 1.0 / filter_scale;
  Coefficients result;
  result.stride = static_cast<std::size_t>(std::min<double>(std::ceil(support) * 2 + 1, in_size));
  result.stride = (result.stride + kTaps - 1) / kTaps * kTaps;
  if (result.stride > kMaxTaps / static_cast<std::size_t>(length)) {
    fail("reducing " + std::to_string(in_size) + " to " + std::to_string(out_size) +
         " pixels needs too much memory");
  }
  result.taps.resize(result.stride * static_cast<std::size_t>(length));
  std::vector<double> weights(result.stride);
  for (int i = 0; i < length; ++i) {
    const double center = (begin + i + 0.5) * scale;
    const int first = static_cast<int>(std::max(center - support + 0.5, 0.0));
    const int count = static_cast<int>(std::min<double>(center + support + 0.5, in_size)) - first;
    double sum = 0.0;
    for (int t = 0; t < count; ++t) {
      weights[t] = kernel.weight((t + first - center + 0.5) * inverse_scale);
      sum += weights[t];
    }
    std::int32_t* taps = result.taps.data() + result.stride * static_cast<std::size_t>(i);
    for (int t = 0; t < count; ++t) taps[t] = to_fixed(sum != 0.0 ? weights[t] / sum : weights[t]);
    result.first.push_back(first);
    result.count.push_back(count);
  }
  return result;
}

// Sums are kept modulo 2^32: the true sum fits a signed 32-bit number.
std::uint8_t to_pixel(std::uint32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(static_cast<std::int32_t>(sum) >> kPrecisionBits, 0, 255));
}

constexpr std::uint32_t kHalf = std::uint32_t{1} << (kPrecisionBits - 1);

// Each tap thrice, to match interleaved channels.
std::vector<std::int32_t> interleave_taps(const Coefficients& c) {
  std::vector<std::int32_t> taps(c.taps.size() * 3);
  for (std::size_t i = 0; i < taps.size(); ++i) taps[i] = c.taps[i / 3];
  return taps;
}

// `row` begins with input `first_column` of the pass and must be readable for the whole stride of every
// output.
VULCAP_WIDE_LOOPS
void horizontal_row(const std::uint8_t* row, int first_column, const Coefficients& c,
                    const std::vector<std::int32_t>& taps, std::uint8_t* out) {
  for (std::size_t i = 0; i < c.first.size(); ++i, out += 3) {
    const std::uint8_t* in = row + static_cast<std::size_t>(c.first[i] - first_column) * 3;
    const std::int32_t* k = taps.data() + i * c.stride * 3;
    const std::size_t end = static_cast<std::size_t>(c.count[i]) * 3;
    std::uint32_t sums[kLanes] = {};
    for (std::size_t j = 0; j < end; j += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        sums[lane] += static_cast<std::uint32_t>(in[j + lane] * k[j + lane]);
      }
    }
    for (std::size_t channel = 0; channel < 3; ++channel) {
      std::uint32_t sum = kHalf;
      for (std::size_t t = 0; t < kTaps; ++t) sum += sums[t * 3 + channel];
      out[channel] = to_pixel(sum);
    }
  }
}

// Rows [begin, begin + length) or columns, depending on the place.
struct Range {
  int begin;
  int length;
};

// The inputs that any output of the pass reads.
Range used_inputs(const Coefficients& c) {
  return {c.first.front(), c.first.back() + c.count.back() - c.first.front()};
}

std::size_t sample_count(int width, int height) {
  return std::size_t{3} * static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
}

const std::uint8_t* pixel(const Image& image, int x, int y) {
  return image.rgb.data() + (static_cast<std::size_t>(y) * image.width + x) * 3;
}

// Scales `rows` of the source; column 0 of the source is input `first_column` of the pass.
Image horizontal_pass(const Image& source, Range rows, int first_column, const Coefficients& c) {
  Image result{static_cast<int>(c.first.size()), rows.length, {}};
  result.rgb.resize(sample_count(result.width, result.height));
  const std::vector<std::int32_t> taps = interleave_taps(c);
  const std::size_t row_bytes = static_cast<std::size_t>(source.width) * 3;
  std::vector<std::uint8_t> padded(row_bytes + c.stride * 3);
  for (int y = 0; y < rows.length; ++y) {
    std::memcpy(padded.data(), pixel(source, 0, rows.begin + y), row_bytes);
    std::uint8_t* out = result.rgb.data() + c.first.size() * 3 * static_cast<std::size_t>(y);
    horizontal_row(padded.data(), first_column, c, taps, out);
  }
  return result;
}

// One output row: the weighted sum of `count` rows that lie `pitch` bytes apart.
VULCAP_WIDE_LOOPS
void vertical_row(const std::uint8_t* in, std::size_t pitch, const std::int32_t* taps, int count,
                  std::size_t bytes, std::uint8_t* out) {
  std::uint32_t sums[kVerticalTile];
  for (std::size_t x = 0; x < bytes; x += kVerticalTile) {
    const std::size_t length = std::min(kVerticalTile, bytes - x);
    for (std::size_t i = 0; i < length; ++i) sums[i] = kHalf;
    for (int t = 0; t < count; ++t) {
      const std::uint8_t* row = in + pitch * static_cast<std::size_t>(t) + x;
      const std::int32_t tap = taps[t];
      for (std::size_t i = 0; i < length; ++i) sums[i] += static_cast<std::uint32_t>(row[i] * tap);
    }
    for (std::size_t i = 0; i < length; ++i) out[x + i] = to_pixel(sums[i]);
  }
}

// Scales `columns` of the source; row 0 of the source is input `first_row` of the pass.
Image vertical_pass(const Image& source, Range columns, int first_row, const Coefficients& c) {
  Image result{columns.length, static_cast<int>(c.first.size()), {}};
  result.rgb.resize(sample_count(result.width, result.height));
  const std::size_t in_bytes = static_cast<std::size_t>(source.width) * 3;
  const std::size_t out_bytes = static_cast<std::size_t>(columns.length) * 3;
  for (std::size_t y = 0; y < c.first.size(); ++y) {
    const std::uint8_t* in = pixel(source, columns.begin, c.first[y] - first_row);
    vertical_row(in, in_bytes, c.taps.data() + y * c.stride, c.count[y], out_bytes,
                 result.rgb.data() + out_bytes * y);
  }
  return result;
}

Image crop(const Image& source, const Window& w) {
  Image result{w.width, w.height, {}};
  result.rgb.reserve(sample_count(w.width, w.height));
  for (int y = w.y; y < w.y + w.height; ++y) {
    const std::uint8_t* row = pixel(source, w.x, y);
    result.rgb.insert(result.rgb.end(), row, row + static_cast<std::size_t>(w.width) * 3);
  }
  return result;
}

// Source positions of the outputs [begin, begin + length); -1 where rounding leaves the source. Positions are
// summed up step by step: the rounding errors of that sum are part of Pillow's result.
std::vector<int> nearest_positions(int in_size, int out_size, int begin, int length) {
  const double step = static_cast<double>(static_cast<float>(in_size)) / out_size;
  double position = step * 0.5;
  for (int i = 0; i < begin; ++i) position += step;
  std::vector<int> result;
  for (int i = 0; i < length; ++i, position += step) {
    result.push_back(position < in_size ? static_cast<int>(position) : -1);
  }
  return result;
}

Image resize_nearest(const Image& source, int width, int height, const Window& window) {
  const std::vector<int> xs = nearest_positions(source.width, width, window.x, window.width);
  const std::vector<int> ys = nearest_positions(source.height, height, window.y, window.height);
  Image result{window.width, window.height, {}};
  result.rgb.resize(sample_count(window.width, window.height));
  std::uint8_t* out = result.rgb.data();
  for (const int y : ys) {
    const std::uint8_t* row = source.rgb.data() + std::max<std::ptrdiff_t>(y, 0) * source.width * 3;
    for (const int x : xs) {
      if (x >= 0 && y >= 0) std::memcpy(out, row + std::ptrdiff_t{3} * x, 3);
      out += 3;
    }
  }
  return result;
}

void check_pixels(int width, int height) {
  if (width <= kMaxPixels / height) return;
  fail(std::to_string(width) + "x" + std::to_string(height) + " pixels exceed the limit of " +
       std::to_string(kMaxPixels) + " pixels; crop the image first");
}

void check(const Image& source, int width, int height, const Window& w) {
  if (source.width <= 0 || source.height <= 0) fail("the image is empty");
  if (width <= 0 || height <= 0) fail("the size must be positive");
  if (w.x < 0 || w.y < 0 || w.width <= 0 || w.height <= 0 || w.width > width - w.x ||
      w.height > height - w.y) {
    fail("the window lies outside the resized image");
  }
  check_pixels(w.width, w.height);
}

// Pillow 13 takes the vertical pass first where that spares the horizontal one more than it costs.
bool is_vertical_first(const Image& source, int width, int height) {
  const std::int64_t saved_rows = std::int64_t{source.height} - height;
  const std::int64_t saved_columns = std::int64_t{source.width} - width;
  return saved_rows > 0 && saved_rows > 2 * saved_columns;
}

Image resize_filtered(const Image& source, int width, int height, const Kernel& kernel, const Window& w) {
  const bool same_width = width == source.width;
  const bool same_height = height == source.height;
  Coefficients across;
  Coefficients down;
  if (!same_width) across = make_coefficients(source.width, width, w.x, w.width, kernel);
  if (!same_height) down = make_coefficients(source.height, height, w.y, w.height, kernel);
  const Range columns = same_width ? Range{w.x, w.width} : used_inputs(across);
  const Range rows = same_height ? Range{w.y, w.height} : used_inputs(down);
  if (!same_width && !same_height && is_vertical_first(source, width, height)) {
    check_pixels(columns.length, w.height);
    const Image tall = vertical_pass(source, columns, 0, down);
    return horizontal_pass(tall, {0, w.height}, columns.begin, across);
  }
  if (same_width) return vertical_pass(source, columns, 0, down);
  check_pixels(w.width, rows.length);
  Image wide = horizontal_pass(source, rows, 0, across);
  return same_height ? wide : vertical_pass(wide, {0, w.width}, rows.begin, down);
}

}  // namespace

Image resize_window(const Image& source, int width, int height, Filter filter, const Window& window) {
  check(source, width, height, window);
  if (width == source.width && height == source.height) return crop(source, window);
  if (filter == Filter::kNearest) return resize_nearest(source, width, height, window);
  return resize_filtered(source, width, height, kernel_of(filter), window);
}

Image resize(const Image& source, int width, int height, Filter filter) {
  return resize_window(source, width, height, filter, {0, 0, width, height});
}

}  // namespace vulcap::image
