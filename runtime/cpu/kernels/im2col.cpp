#include <cstdint>
#include <cstring>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"

namespace vulcap::cpu {
namespace {

// kernel_w values of one input line from column iw on; positions outside [0, in_w) read 0.
template <typename T>
void copy_line(const abi::Im2colParams& p, const T* line, int64_t iw, T* y) {
  const bool inside = iw >= 0 && iw + int64_t(p.kernel_w - 1) * p.dilation_w < int64_t(p.in_w);
  if (inside && p.dilation_w == 1) {
    std::memcpy(y, line + iw, p.kernel_w * sizeof(T));
    return;
  }
  for (size_t j = 0; j < p.kernel_w; ++j) {
    const int64_t at = iw + int64_t(j) * p.dilation_w;
    y[j] = at >= 0 && at < int64_t(p.in_w) ? line[at] : T{};
  }
}

template <typename T>
void copy_patch(const abi::Im2colParams& p, const T* image, int64_t ih, int64_t iw, T* y) {
  for (size_t c = 0; c < p.channels; ++c) {
    for (size_t i = 0; i < p.kernel_h; ++i, y += p.kernel_w) {
      const int64_t at = ih + int64_t(i) * p.dilation_h;
      if (at < 0 || at >= int64_t(p.in_h)) {
        std::memset(y, 0, p.kernel_w * sizeof(T));
      } else {
        copy_line(p, image + (c * p.in_h + size_t(at)) * p.in_w, iw, y);
      }
    }
  }
}

template <typename T>
void im2col_values(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::Im2colParams>();
  const size_t columns = size_t(p.channels) * p.kernel_h * p.kernel_w, patches = size_t(p.out_h) * p.out_w;
  if (columns == 0) return;
  parallel_range(args.pool, p.batch * patches, columns * 2 * sizeof(T), [&](size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) {
      const size_t b = item / patches, oh = item % patches / p.out_w, ow = item % p.out_w;
      const T* image = args.ptr<T>(0) + (b * p.channel_stride + p.channel_begin) * p.in_h * p.in_w;
      copy_patch(p, image, int64_t(oh * p.stride_h) - p.pad_top, int64_t(ow * p.stride_w) - p.pad_left,
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
