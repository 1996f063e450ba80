#include <vector>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void layer_norm_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::LayerNormParams>();
  const DType dtype = args.call.variant.storage;
  const auto [x, skip, scale, bias] =
      std::array{args.buffers[0], args.buffers[1], args.buffers[2], args.buffers[3]};
  std::vector<double> v(p.cols);
  for (size_t row = 0; row < p.rows; ++row) {
    const size_t begin = row * p.cols;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < p.cols; ++i) {
      v[i] = load_real(dtype, x, begin + i) +
             (p.flags & abi::kNormSkip ? load_real(dtype, skip, begin + i) : 0.0);
      mean += v[i] / p.cols;
    }
    if (p.flags & abi::kNormRms) mean = 0;
    for (double value : v) variance += (value - mean) * (value - mean) / p.cols;
    const double inverse = 1.0 / std::sqrt(variance + double(p.epsilon));
    for (size_t i = 0; i < p.cols; ++i) {
      const double shift = p.flags & abi::kNormBias ? load_real(dtype, bias, i) : 0.0;
      store_real(dtype, args.buffers[4], begin + i,
                 (v[i] - mean) * inverse * load_real(dtype, scale, i) + shift);
      if (p.flags & abi::kNormSum) store_real(dtype, args.buffers[5], begin + i, v[i]);
    }
  }
}

}  // namespace

void kernel_layer_norm(KernelRegistry& registry) {
  registry.add<abi::LayerNormParams>("layer_norm", layer_norm_reference);
}

}  // namespace vulcap::ops
