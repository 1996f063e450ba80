#include <cstdint>
#include <cstring>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/ops/kernels/windows.h"

namespace vulcap::cpu {
namespace {

// kernel[2] values of one input line from column `at` on; positions outside the line read 0.
template <typename T>
void copy_line(const abi::Im2colParams& p, const T* line, int64_t at, T* y) {
  const int64_t width = p.in_shape[2], step = p.dilation[2];
  const bool inside = at >= 0 && at + int64_t(p.kernel[2] - 1) * step < width;
  if (inside && step == 1) {
    std::memcpy(y, line + at, p.kernel[2] * sizeof(T));
    return;
  }
  for (size_t j = 0; j < p.kernel[2]; ++j, at += step) y[j] = at >= 0 && at < width ? line[at] : T{};
}

// One patch from the place of its first tap on.
template <typename T>
void copy_patch(const abi::Im2colParams& p, const T* image, const std::array<int64_t, 3>& start, T* y) {
  const size_t lines = size_t(p.kernel[0]) * p.kernel[1], pixels = ops::volume(p.in_shape);
  for (size_t c = 0; c < p.channels; ++c, image += pixels) {
    for (size_t line = 0; line < lines; ++line, y += p.kernel[2]) {
      const int64_t d = start[0] + int64_t(line / p.kernel[1] * p.dilation[0]);
      const int64_t h = start[1] + int64_t(line % p.kernel[1] * p.dilation[1]);
      if (d < 0 || h < 0 || d >= int64_t(p.in_shape[0]) || h >= int64_t(p.in_shape[1])) {
        std::memset(y, 0, p.kernel[2] * sizeof(T));
      } else {
        copy_line(p, image + (size_t(d) * p.in_shape[1] + size_t(h)) * p.in_shape[2], start[2], y);
      }
    }
  }
}

template <typename T>
void im2col_values(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::Im2colParams>();
  const size_t columns = p.channels * ops::volume(p.kernel), positions = ops::volume(p.out_shape);
  if (columns == 0) return;
  parallel_range(args.pool, p.batch * positions, columns * 2 * sizeof(T), [&](size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) {
      const size_t plane = item / positions * p.channel_stride + p.channel_begin;
      copy_patch(p, args.ptr<T>(0) + plane * ops::volume(p.in_shape), ops::place_of(p, item % positions, 0),
                 args.ptr<T>(1) + item * columns);
    }
  });
}

void run_im2col(const CpuArgs& args) {
  switch (core::dtype_bytes(args.call().variant.storage, 1)) {
    case 1:
      return im2col_values<uint8_t>(args);
    case 2:
      return im2col_values<uint16_t>(args);
    case 4:
      return im2col_values<uint32_t>(args);
    default:
      return im2col_values<uint64_t>(args);
  }
}

}  // namespace

void cpu_kernel_im2col(CpuRegistry& registry) { registry.add("im2col", {run_im2col, nullptr, nullptr}); }

}  // namespace vulcap::cpu
