#include <algorithm>
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

// The order of the places of a line: which number counts first, and of equals which place.
template <typename T>
struct Order {
  const T* line;
  size_t step;
  bool largest;
  bool last;

  auto at(uint32_t place) const { return number(line[size_t(place) * step]); }
  template <typename N>
  bool better(N a, N b) const {
    return largest ? larger(a, b) : larger(b, a);
  }
  bool operator()(uint32_t i, uint32_t j) const {
    const auto a = at(i), b = at(j);
    if (better(a, b)) return true;
    return !better(b, a) && (last ? i > j : i < j);
  }
};

// Whether some number of a run is NaN, better than `limit`, or, of equals the last counting, equal to it.
template <typename T>
bool may_enter(const T* run, size_t count, T limit, const Order<T>& order) {
  int found = 0;
  if (order.largest) {
    for (size_t i = 0; i < count; ++i) found |= !(run[i] < limit) & !(!order.last & (run[i] == limit));
  } else {
    for (size_t i = 0; i < count; ++i) found |= !(run[i] > limit) & !(!order.last & (run[i] == limit));
  }
  return found != 0;
}
inline bool may_enter(const Half*, size_t, Half, const Order<Half>&) { return true; }

// The first k places, in order. `heap` has the worst of the best so far in front; runs without a better one
// are passed over.
template <typename T>
void best_places(const abi::TopKParams& p, const Order<T>& order, std::vector<uint32_t>& heap) {
  constexpr uint32_t kRun = 64;
  heap.clear();
  for (uint32_t begin = 0; begin < p.reduce; begin += kRun) {
    const uint32_t end = std::min(begin + kRun, p.reduce);
    const bool full = heap.size() == p.k;
    if (full && order.step == 1 &&
        !may_enter(order.line + begin, end - begin, order.line[heap.front()], order))
      continue;
    for (uint32_t i = begin; i < end; ++i) {
      if (heap.size() < p.k) {
        heap.push_back(i);
        std::push_heap(heap.begin(), heap.end(), order);
      } else if (order(i, heap.front())) {
        std::pop_heap(heap.begin(), heap.end(), order);
        heap.back() = i;
        std::push_heap(heap.begin(), heap.end(), order);
      }
    }
  }
  std::sort_heap(heap.begin(), heap.end(), order);
}

template <typename T>
void top_k_lines(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::TopKParams>();
  const auto* x = args.ptr<T>(0);
  auto* values = args.ptr<T>(1);
  auto* places = args.ptr<int64_t>(2);
  const bool largest = p.flags & abi::kTopKLargest, last = p.flags & abi::kTopKLast;
  if (p.k == 0) return;
  parallel_range(args.pool, size_t(p.outer) * p.inner, p.reduce * sizeof(T) * 4,
                 [&](size_t begin, size_t end) {
                   std::vector<uint32_t> best;
                   for (size_t item = begin; item < end; ++item) {
                     const size_t outer = item / p.inner, inner = item % p.inner;
                     const T* line = x + outer * p.reduce * p.inner + inner;
                     best_places(p, Order<T>{line, p.inner, largest, last}, best);
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
