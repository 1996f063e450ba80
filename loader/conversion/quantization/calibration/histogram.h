// How often which numbers occur, in bins of one width around zero. The width is a power of two that doubles
// as larger numbers come, so what is counted does not depend on their order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vulcap::quantization {

class Histogram {
 public:
  static constexpr int kHalf = 2048;  // bins on each side of zero

  // Throws core::Error(kRuntime) for a number that is not finite.
  void add(std::span<const float> values);

  uint64_t count() const { return count_; }
  // Of an empty histogram 0.
  double min() const { return min_; }
  double max() const { return max_; }
  double width() const { return width_; }
  // Numbers in [bin * width, (bin + 1) * width); -kHalf <= bin < kHalf.
  uint64_t in_bin(int bin) const { return bins_[size_t(bin + kHalf)]; }

 private:
  void make_room(double value);
  void halve();

  std::vector<uint64_t> bins_ = std::vector<uint64_t>(2 * kHalf, 0);
  double width_ = 0x1p-60;
  uint64_t count_ = 0;
  double min_ = 0, max_ = 0;
};

}  // namespace vulcap::quantization
