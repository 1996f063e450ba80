#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/typed.h"
#include "runtime/ops/kernels/windows.h"

namespace vulcap::cpu {
namespace {

float lowest(uint8_t) { return 0; }
float lowest(int8_t) { return -128; }
template <typename T>
float lowest(T) {
  return -std::numeric_limits<float>::infinity();
}

// Taps of a window along one axis that lie in the image, and how many lie in it or its padding.
struct Span {
  int64_t start, begin, end, counted;
};

int64_t divide_up(int64_t a, int64_t b) { return a <= 0 ? 0 : (a + b - 1) / b; }

Span span_of(const abi::PoolParams& p, size_t axis, int64_t position) {
  const int64_t start = position * p.stride[axis] - p.pad[axis], dilation = p.dilation[axis];
  const int64_t size = p.in_shape[axis], taps = p.kernel[axis];
  Span span{start, divide_up(-start, dilation), std::min(taps, divide_up(size - start, dilation)), 0};
  span.counted = p.flags & abi::kPoolCountPads
                     ? std::min(taps, divide_up(size + p.pad_end[axis] - start, dilation))
                     : std::max<int64_t>(span.end - span.begin, 0);
  return span;
}

// Calls visit(row-major index in the plane) for each tap of the window inside the image.
template <typename Visit>
void each_pixel(const abi::PoolParams& p, const std::array<Span, 3>& s, const Visit& visit) {
  for (int64_t d = s[0].begin; d < s[0].end; ++d) {
    for (int64_t h = s[1].begin; h < s[1].end; ++h) {
      const int64_t line = (s[0].start + d * p.dilation[0]) * p.in_shape[1] + s[1].start + h * p.dilation[1];
      for (int64_t w = s[2].begin; w < s[2].end; ++w)
        visit(size_t(line * p.in_shape[2] + s[2].start + w * p.dilation[2]));
    }
  }
}

template <typename T>
void max_of_window(const CpuArgs& args, const abi::PoolParams& p, const std::array<Span, 3>& spans,
                   size_t plane, size_t item) {
  const T* x = args.ptr<T>(0) + plane * ops::volume(p.in_shape);
  float result = lowest(T{});
  size_t best = SIZE_MAX;
  each_pixel(p, spans, [&](size_t at) {
    const float value = to_float(x[at]);
    if (best != SIZE_MAX && !(value > result)) return;
    result = value;
    best = at;
  });
  args.ptr<T>(1)[item] = from_float<T>(result);
  if (!(p.flags & abi::kPoolIndices)) return;
  if (best == SIZE_MAX) best = 0;
  const auto at = ops::split_index(p.in_shape, best);
  const size_t inside = p.flags & abi::kPoolColumnMajor
                            ? size_t(at[0]) + p.in_shape[0] * (size_t(at[1]) + p.in_shape[1] * size_t(at[2]))
                            : best;
  args.ptr<int64_t>(2)[item] = int64_t(plane * ops::volume(p.in_shape) + inside);
}

template <typename T>
float sum_of_window(const CpuArgs& args, const abi::PoolParams& p, const std::array<Span, 3>& spans,
                    size_t plane) {
  const T* x = args.ptr<T>(0) + plane * ops::volume(p.in_shape);
  float sum = 0;
  if (p.op == abi::kPoolMean) {
    each_pixel(p, spans, [&](size_t at) { sum += to_float(x[at]); });
    return sum / float(std::max<int64_t>(1, spans[0].counted * spans[1].counted * spans[2].counted));
  }
  each_pixel(p, spans, [&](size_t at) { sum += std::pow(std::abs(to_float(x[at])), p.power); });
  return std::pow(sum, 1.0f / p.power);
}

template <typename T>
void pool_values(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::PoolParams>();
  const size_t positions = ops::volume(p.out_shape);
  const size_t bytes = ops::volume(p.kernel) * sizeof(float) * 4;
  parallel_range(args.pool, p.planes * positions, bytes, [&](size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item) {
      const auto at = ops::split_index(p.out_shape, item % positions);
      const std::array<Span, 3> spans{span_of(p, 0, at[0]), span_of(p, 1, at[1]), span_of(p, 2, at[2])};
      if (p.op == abi::kPoolMax) {
        max_of_window<T>(args, p, spans, item / positions, item);
      } else {
        args.ptr<T>(1)[item] = from_float<T>(sum_of_window<T>(args, p, spans, item / positions));
      }
    }
  });
}

void run_pool(const CpuArgs& args) {
  switch (args.call().variant.storage) {
    case core::DType::kF32:
      return pool_values<float>(args);
    case core::DType::kF16:
      return pool_values<Half>(args);
    case core::DType::kI8:
      return pool_values<int8_t>(args);
    default:
      return pool_values<uint8_t>(args);
  }
}

bool accepts_pool(const ops::KernelCall& call) {
  const core::DType dtype = call.variant.storage;
  return dtype == core::DType::kF32 || dtype == core::DType::kF16 || dtype == core::DType::kI8 ||
         dtype == core::DType::kU8;
}

}  // namespace

void cpu_kernel_pool(CpuRegistry& registry) { registry.add("pool", {run_pool, accepts_pool, nullptr}); }

}  // namespace vulcap::cpu
