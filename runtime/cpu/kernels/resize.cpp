#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/typed.h"

namespace vulcap::cpu {
namespace {

constexpr size_t kRun = 64;  // outputs summed at a time

// y[0, count) of one output row from the rows that it mixes.
template <typename T>
void mix_run(const abi::ResizeParams& p, const T* x, const int32_t* index, const float* weight, size_t count,
             T* y) {
  float sums[kRun];
  for (size_t i = 0; i < count; ++i) sums[i] = weight[p.taps];
  for (size_t t = 0; t < p.taps; ++t) {
    const T* row = x + size_t(index[t]) * p.inner;
    for (size_t i = 0; i < count; ++i) sums[i] += weight[t] * to_float(row[i]);
  }
  for (size_t i = 0; i < count; ++i) y[i] = from_float<T>(sums[i]);
}

template <typename T>
void resize_values(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::ResizeParams>();
  const size_t rows = size_t(p.outer) * p.out_size, bytes = size_t(p.inner) * (p.taps + 1) * sizeof(float);
  parallel_range(args.pool, rows, bytes, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const size_t o = row / p.out_size, j = row % p.out_size;
      for (size_t i = 0; i < p.inner; i += kRun) {
        mix_run(p, args.ptr<T>(0) + o * p.in_size * p.inner + i, args.ptr<int32_t>(1) + j * p.taps,
                args.ptr<float>(2) + j * (p.taps + 1), std::min<size_t>(kRun, p.inner - i),
                args.ptr<T>(3) + row * p.inner + i);
      }
    }
  });
}

void run_resize(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return resize_values<Half>(args);
  resize_values<float>(args);
}

bool accepts_resize(const ops::KernelCall& call) {
  return call.variant.storage == core::DType::kF32 || call.variant.storage == core::DType::kF16;
}

}  // namespace

void cpu_kernel_resize(CpuRegistry& registry) {
  registry.add("resize", {run_resize, accepts_resize, nullptr});
}

}  // namespace vulcap::cpu
