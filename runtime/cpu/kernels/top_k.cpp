#include <algorithm>
#include <numeric>
#include <vector>

#include "runtime/core/half.h"
#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"

namespace vulcap::cpu {
namespace {

// Half floats are compared as floats.
struct Half {
  uint16_t bits;
};
inline float number(Half x) { return core::half_to_float(x.bits); }
template <typename T>
T number(T x) {
  return x;
}

template <typename T>
bool larger(T a, T b) {
  return a > b || (a != a && b == b);
}

// The first, or last, of the largest or smallest numbers of a line.
template <typename T>
uint32_t best_place(const T* line, size_t step, size_t count, bool largest, bool last) {
  auto best = number(line[0]);
  uint32_t place = 0;
  for (size_t i = 1; i < count; ++i) {
    const auto x = number(line[i * step]);
    const bool better = largest ? larger(x, best) : larger(best, x);
    const bool same = last && !(largest ? larger(best, x) : larger(x, best));
    if (better || same) best = x, place = uint32_t(i);
  }
  return place;
}

template <typename T>
void best_places(const T* line, const abi::TopKParams& p, std::vector<uint32_t>& places) {
  const bool largest = p.flags & abi::kTopKLargest, last = p.flags & abi::kTopKLast;
  places.resize(p.k);
  if (p.k == 1) {
    places[0] = best_place(line, p.inner, p.reduce, largest, last);
    return;
  }
  std::vector<uint32_t> all(p.reduce);
  std::iota(all.begin(), all.end(), 0);
  const auto before = [&](uint32_t i, uint32_t j) {
    const auto a = number(line[size_t(i) * p.inner]), b = number(line[size_t(j) * p.inner]);
    if (largest ? larger(a, b) : larger(b, a)) return true;
    if (largest ? larger(b, a) : larger(a, b)) return false;
    return last ? i > j : i < j;
  };
  std::partial_sort_copy(all.begin(), all.end(), places.begin(), places.end(), before);
}

template <typename T>
void top_k_lines(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::TopKParams>();
  const auto* x = args.ptr<T>(0);
  auto* values = args.ptr<T>(1);
  auto* places = args.ptr<int64_t>(2);
  if (p.k == 0) return;
  parallel_range(args.pool, size_t(p.outer) * p.inner, p.reduce * sizeof(T) * 4,
                 [&](size_t begin, size_t end) {
                   std::vector<uint32_t> best;
                   for (size_t item = begin; item < end; ++item) {
                     const size_t outer = item / p.inner, inner = item % p.inner;
                     const T* line = x + outer * p.reduce * p.inner + inner;
                     best_places(line, p, best);
                     for (size_t k = 0; k < p.k; ++k) {
                       const size_t to = (outer * p.k + k) * p.inner + inner;
                       values[to] = line[size_t(best[k]) * p.inner];
                       places[to] = best[k];
                     }
                   }
                 });
}

void run_top_k(const CpuArgs& args) {
  switch (args.call().variant.storage) {
    case core::DType::kF32:
      return top_k_lines<float>(args);
    case core::DType::kF16:
      return top_k_lines<Half>(args);
    case core::DType::kI32:
      return top_k_lines<int32_t>(args);
    default:
      return top_k_lines<int64_t>(args);
  }
}

bool accepts_top_k(const ops::KernelCall& call) {
  const auto dtype = call.variant.storage;
  return dtype == core::DType::kF32 || dtype == core::DType::kF16 || dtype == core::DType::kI32 ||
         dtype == core::DType::kI64;
}

}  // namespace

void cpu_kernel_top_k(CpuRegistry& registry) { registry.add("top_k", {run_top_k, accepts_top_k, nullptr}); }

}  // namespace vulcap::cpu
