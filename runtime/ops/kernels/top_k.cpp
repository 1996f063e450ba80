#include <algorithm>
#include <numeric>
#include <vector>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

// Whether a counts as larger than b; NaN is the largest.
template <typename T>
bool larger(T a, T b) {
  return a > b || (a != a && b == b);
}

template <typename T>
std::vector<uint32_t> best_places(const abi::TopKParams& p, const std::vector<T>& line) {
  std::vector<uint32_t> places(p.reduce);
  std::iota(places.begin(), places.end(), 0);
  if (p.flags & abi::kTopKLast) std::reverse(places.begin(), places.end());
  std::stable_sort(places.begin(), places.end(), [&](uint32_t a, uint32_t b) {
    return p.flags & abi::kTopKLargest ? larger(line[a], line[b]) : larger(line[b], line[a]);
  });
  return places;
}

template <typename T, typename Load>
void top_k_lines(const KernelArgs& args, const Load& load) {
  const auto& p = args.call.params_as<abi::TopKParams>();
  const size_t size = core::dtype_bytes(args.call.variant.storage, 1);
  std::vector<T> line(p.reduce);
  for (size_t item = 0; item < size_t(p.outer) * p.inner; ++item) {
    const size_t outer = item / p.inner, inner = item % p.inner, from = outer * p.reduce * p.inner + inner;
    for (size_t r = 0; r < p.reduce; ++r) line[r] = load(from + r * p.inner);
    const auto places = best_places(p, line);
    for (size_t k = 0; k < p.k; ++k) {
      const size_t to = (outer * p.k + k) * p.inner + inner;
      std::memcpy(args.buffers[1] + to * size, args.buffers[0] + (from + places[k] * p.inner) * size, size);
      store_as<int64_t>(args.buffers[2], to, places[k]);
    }
  }
}

void top_k_reference(const KernelArgs& args) {
  const DType dtype = args.call.variant.storage;
  const std::byte* x = args.buffers[0];
  if (core::dtype_is_float(dtype)) {
    top_k_lines<double>(args, [&](size_t i) { return load_real(dtype, x, i); });
  } else if (dtype == DType::kU64) {
    top_k_lines<uint64_t>(args, [&](size_t i) { return load_as<uint64_t>(x, i); });
  } else {
    top_k_lines<int64_t>(args, [&](size_t i) { return load_int(dtype, x, i); });
  }
}

}  // namespace

void kernel_top_k(KernelRegistry& registry) { registry.add<abi::TopKParams>("top_k", top_k_reference); }

}  // namespace vulcap::ops
