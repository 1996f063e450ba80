#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/kernels/element_math.h"

namespace vulcap::ops {
namespace {

double dot(const KernelArgs& args, const abi::MatmulParams& p, size_t batch, size_t m, size_t n) {
  const size_t a = p.a_offset + batch * p.a_batch + m * p.lda;
  const size_t b = batch * p.b_batch + (p.flags & abi::kMatmulTransB ? n * p.ldb : n);
  const size_t b_step = p.flags & abi::kMatmulTransB ? 1 : p.ldb;
  double sum = 0;
  for (size_t k = 0; k < p.k; ++k) {
    sum += load_real(args.call.variant.storage, args.buffers[0], a + k) *
           load_real(args.call.variant.second, args.buffers[1], b + k * b_step);
  }
  return sum;
}

// Integers wrap; scale and activation are left to real numbers.
void integer_reference(const KernelArgs& args, const abi::MatmulParams& p) {
  const auto [dtype, second] = args.call.variant;
  const size_t column_step = p.flags & abi::kMatmulTransB ? p.ldb : 1,
               k_step = p.flags & abi::kMatmulTransB ? 1 : p.ldb;
  for (size_t row = 0; row < size_t(p.batch) * p.m; ++row) {
    const size_t batch = row / p.m, m = row % p.m;
    const size_t a = p.a_offset + batch * p.a_batch + m * p.lda,
                 c = batch * p.c_batch + m * p.ldc + p.c_column;
    for (size_t n = 0; n < p.n; ++n) {
      uint64_t sum = 0;
      for (size_t k = 0; k < p.k; ++k) {
        sum += uint64_t(load_int(dtype, args.buffers[0], a + k)) *
               uint64_t(load_int(second, args.buffers[1], batch * p.b_batch + n * column_step + k * k_step));
      }
      store_int(dtype, args.buffers[4], c + n, int64_t(sum));
    }
  }
}

void matmul_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::MatmulParams>();
  const DType dtype = args.call.variant.storage;
  constexpr uint32_t kFused = abi::kMatmulBias | abi::kMatmulResidual;
  if (core::dtype_is_integer(dtype) && p.alpha == 1 && p.act == abi::kActNone && (p.flags & kFused) == 0)
    return integer_reference(args, p);
  for (size_t row = 0; row < size_t(p.batch) * p.m; ++row) {
    const size_t batch = row / p.m, m = row % p.m;
    for (size_t n = 0; n < p.n; ++n) {
      double value = double(p.alpha) * dot(args, p, batch, m, n);
      const size_t column = p.c_column + n, c = batch * p.c_batch + m * p.ldc + column;
      if (p.flags & abi::kMatmulBias) {
        value += load_real(dtype, args.buffers[2], p.flags & abi::kMatmulBiasPerRow ? m : column);
      }
      value = rows::activation(p.act, value);
      if (p.flags & abi::kMatmulResidual) value += load_real(dtype, args.buffers[3], c);
      store_real(dtype, args.buffers[4], c, value);
    }
  }
}

}  // namespace

void kernel_matmul(KernelRegistry& registry) { registry.add<abi::MatmulParams>("matmul", matmul_reference); }

}  // namespace vulcap::ops
