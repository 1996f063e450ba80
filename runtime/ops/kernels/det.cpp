#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

// Elimination with the largest element of each column as its pivot.
double determinant(DType dtype, std::byte* a, size_t n) {
  double result = 1;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column; row < n; ++row) {
      if (std::abs(load_real(dtype, a, row * n + column)) > std::abs(load_real(dtype, a, pivot * n + column)))
        pivot = row;
    }
    const double top = load_real(dtype, a, pivot * n + column);
    if (top == 0) return 0;
    result *= pivot == column ? top : -top;
    for (size_t k = column; k < n; ++k) {
      const double value = load_real(dtype, a, pivot * n + k);
      store_real(dtype, a, pivot * n + k, load_real(dtype, a, column * n + k));
      store_real(dtype, a, column * n + k, value);
    }
    for (size_t row = column + 1; row < n; ++row) {
      const double factor = load_real(dtype, a, row * n + column) / top;
      for (size_t k = column; k < n; ++k) {
        const double left = load_real(dtype, a, row * n + k) - factor * load_real(dtype, a, column * n + k);
        store_real(dtype, a, row * n + k, left);
      }
    }
  }
  return result;
}

void det_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::DetParams>();
  const DType dtype = args.call.variant.storage;
  for (size_t b = 0; b < p.batch; ++b) {
    std::byte* a = args.buffers[0] + core::dtype_bytes(dtype, b * p.n * p.n);
    store_real(dtype, args.buffers[1], b, determinant(dtype, a, p.n));
  }
}

}  // namespace

void kernel_det(KernelRegistry& registry) { registry.add<abi::DetParams>("det", det_reference); }

}  // namespace vulcap::ops
