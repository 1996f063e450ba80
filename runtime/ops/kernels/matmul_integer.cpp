#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/kernels/element_math.h"

namespace vulcap::ops {
namespace {

struct Position {
  size_t batch, m, n;
};

int32_t accumulate(const KernelArgs& args, const abi::MatmulIntegerParams& p, const Position& at,
                   size_t row) {
  const auto [left, right] = args.call.variant;
  const size_t a = p.a_offset + at.batch * p.a_batch + at.m * p.lda;
  const bool transposed = (p.flags & abi::kIntegerTransB) != 0;
  const size_t b = at.batch * p.b_batch + at.n * (transposed ? p.ldb : 1), b_step = transposed ? 1 : p.ldb;
  int64_t a_zero = 0, b_zero = 0, sum = 0;
  if (p.flags & abi::kIntegerAZero)
    a_zero = load_int(left, args.buffers[2], at.batch * p.a_zero_batch + row * p.a_zero_step);
  if (p.flags & abi::kIntegerBZero)
    b_zero = load_int(right, args.buffers[3], at.batch * p.b_zero_batch + at.n * p.b_zero_step);
  for (size_t k = 0; k < p.k; ++k) {
    sum += (load_int(left, args.buffers[0], a + k) - a_zero) *
           (load_int(right, args.buffers[1], b + k * b_step) - b_zero);
  }
  if (p.flags & abi::kIntegerBias)
    sum += load_as<int32_t>(args.buffers[5], p.flags & abi::kIntegerPerRow ? row : at.n);
  return int32_t(uint32_t(sum));
}

void matmul_integer_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::MatmulIntegerParams>();
  for (size_t i = 0; i < size_t(p.batch) * p.m * p.n; ++i) {
    const Position at{i / p.n / p.m, i / p.n % p.m, i % p.n};
    const size_t row = p.channel + at.m, c = p.c_offset + at.batch * p.c_batch + at.m * p.ldc + at.n;
    const int32_t sum = accumulate(args, p, at, row);
    if ((p.flags & abi::kIntegerScale) == 0) {
      store_as<int32_t>(args.buffers[7], c, sum);
      continue;
    }
    const size_t channel = p.flags & abi::kIntegerPerRow ? row : at.n;
    float value = float(sum) * load_as<float>(args.buffers[4], channel * p.scale_step);
    if (p.flags & abi::kIntegerFloatBias) value += load_as<float>(args.buffers[5], channel);
    value = float(rows::activation(p.act, value));
    if (p.flags & abi::kIntegerResidual) value += load_as<float>(args.buffers[6], c);
    store_as<float>(args.buffers[7], c, value);
  }
}

}  // namespace

void kernel_matmul_integer(KernelRegistry& registry) {
  registry.add<abi::MatmulIntegerParams>("matmul_integer", matmul_integer_reference);
}

}  // namespace vulcap::ops
