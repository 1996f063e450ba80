#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

template <typename T, typename Load, typename Store>
void cumulative_lines(const abi::CumulativeParams& p, const Load& load, const Store& store) {
  const bool product = p.flags & abi::kCumulativeProduct, exclusive = p.flags & abi::kCumulativeExclusive;
  for (size_t item = 0; item < size_t(p.outer) * p.inner; ++item) {
    const size_t from = item / p.inner * p.reduce * p.inner + item % p.inner;
    T total = product ? 1 : 0;
    for (size_t r = 0; r < p.reduce; ++r) {
      const size_t at = from + (p.flags & abi::kCumulativeReverse ? p.reduce - 1 - r : r) * p.inner;
      const T before = total, x = load(at);
      total = product ? total * x : total + x;
      store(at, exclusive ? before : total);
    }
  }
}

void cumulative_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::CumulativeParams>();
  const DType dtype = args.call.variant.storage;
  const std::byte* x = args.buffers[0];
  std::byte* y = args.buffers[1];
  if (core::dtype_is_float(dtype)) {
    cumulative_lines<double>(
        p, [&](size_t i) { return load_real(dtype, x, i); },
        [&](size_t i, double value) { store_real(dtype, y, i, value); });
  } else {
    cumulative_lines<uint64_t>(
        p, [&](size_t i) { return uint64_t(load_int(dtype, x, i)); },
        [&](size_t i, uint64_t value) { store_int(dtype, y, i, int64_t(value)); });
  }
}

}  // namespace

void kernel_cumulative(KernelRegistry& registry) {
  registry.add<abi::CumulativeParams>("cumulative", cumulative_reference);
}

}  // namespace vulcap::ops
