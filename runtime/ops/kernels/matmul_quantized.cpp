#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/kernels/element_math.h"
#include "runtime/ops/kernels/weight_tables.h"

namespace vulcap::ops {
namespace {

// Element `index` of `bits` bits, as an unsigned number.
uint32_t packed(const std::byte* base, uint32_t bits, bool high_first, size_t index) {
  const size_t bit = index * bits, within = bit % 8;
  const uint32_t shift = uint32_t(high_first ? 8 - bits - within : within);
  return uint32_t(uint8_t(base[bit / 8]) >> shift) & ((1u << bits) - 1);
}

double number(const abi::MatmulQuantizedParams& p, const std::byte* base, size_t index) {
  const uint32_t raw = packed(base, p.bits, (p.flags & abi::kWeightHighFirst) != 0, index);
  const bool negative = (p.flags & abi::kWeightSigned) != 0 && (raw >> (p.bits - 1)) != 0;
  return double(raw) - (negative ? double(1u << p.bits) : 0.0);
}

double weight(const KernelArgs& args, const abi::MatmulQuantizedParams& p, size_t k, size_t n) {
  const size_t block = k / p.block;
  const size_t scale_at =
      p.flags & abi::kWeightFlatBlocks ? (n * p.k + k) / p.block : block * p.s_k + n * p.s_n;
  const double scale = load_real(DType(p.scale_type), args.buffers[2], scale_at);
  const double value = number(p, args.buffers[1], k * p.b_k + n * p.b_n);
  if (p.flags & abi::kWeightFp4) return kFp4Values[size_t(value)] * scale;
  if (p.flags & abi::kWeightNf4) return kNf4Values[size_t(value)] * scale;
  const size_t zero_at = block * p.z_k + n * p.z_n;
  double zero = p.zero;
  if (p.flags & abi::kWeightZero) zero = number(p, args.buffers[3], zero_at);
  if (p.flags & abi::kWeightZeroReal) zero = load_real(DType(p.scale_type), args.buffers[3], zero_at);
  return (value - zero) * scale;
}

void matmul_quantized_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::MatmulQuantizedParams>();
  const DType dtype = args.call.variant.storage;
  for (size_t n = 0; n < p.n; ++n) {
    for (size_t m = 0; m < p.m; ++m) {
      double sum = 0;
      for (size_t k = 0; k < p.k; ++k)
        sum += load_real(dtype, args.buffers[0], m * p.lda + k) * weight(args, p, k, n);
      const size_t column = p.c_column + n, c = m * p.ldc + column;
      if (p.flags & abi::kWeightBias) sum += load_real(dtype, args.buffers[4], column);
      sum = rows::activation(p.act, sum);
      if (p.flags & abi::kWeightResidual) sum += load_real(dtype, args.buffers[5], c);
      store_real(dtype, args.buffers[6], c, sum);
    }
  }
}

}  // namespace

void kernel_matmul_quantized(KernelRegistry& registry) {
  registry.add<abi::MatmulQuantizedParams>("matmul_quantized", matmul_quantized_reference);
}

}  // namespace vulcap::ops
