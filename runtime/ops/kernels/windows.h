// Where windows read, for the kernels whose parameters describe one (im2col, conv, pool).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vulcap::ops {

inline size_t volume(const uint32_t (&shape)[3]) { return size_t(shape[0]) * shape[1] * shape[2]; }

// Indices along depth, height and width of item `i` in row-major order.
inline std::array<int64_t, 3> split_index(const uint32_t (&shape)[3], size_t i) {
  return {int64_t(i / shape[2] / shape[1]), int64_t(i / shape[2] % shape[1]), int64_t(i % shape[2])};
}

// Place that tap `tap` of output `position` reads; it may lie in the padding.
template <typename Params>
std::array<int64_t, 3> place_of(const Params& p, size_t position, size_t tap) {
  std::array<int64_t, 3> at = split_index(p.out_shape, position);
  const auto step = split_index(p.kernel, tap);
  for (size_t i = 0; i < 3; ++i)
    at[i] = at[i] * int64_t(p.stride[i]) + step[i] * int64_t(p.dilation[i]) - p.pad[i];
  return at;
}

// Row-major index of that place in its plane, or -1 in the padding.
template <typename Params>
int64_t pixel_of(const Params& p, size_t position, size_t tap) {
  const auto at = place_of(p, position, tap);
  for (size_t i = 0; i < 3; ++i) {
    if (at[i] < 0 || at[i] >= int64_t(p.in_shape[i])) return -1;
  }
  return (at[0] * p.in_shape[1] + at[1]) * p.in_shape[2] + at[2];
}

}  // namespace vulcap::ops
