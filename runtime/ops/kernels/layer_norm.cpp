#include <vector>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

struct Moments {
  double mean = 0, variance = 0;
};

Moments moments_of(const std::vector<double>& v, bool center) {
  Moments m;
  for (double value : v) m.mean += center ? value / double(v.size()) : 0;
  for (double value : v) m.variance += (value - m.mean) * (value - m.mean) / double(v.size());
  return m;
}

void layer_norm_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::LayerNormParams>();
  const DType dtype = args.call.variant.storage;
  const auto [x, skip, scale, bias] =
      std::array{args.buffers[0], args.buffers[1], args.buffers[2], args.buffers[3]};
  std::vector<double> v(p.cols);
  for (size_t row = 0; row < p.rows; ++row) {
    const size_t begin = row * p.cols;
    for (size_t i = 0; i < p.cols; ++i) {
      v[i] = load_real(dtype, x, begin + i) +
             (p.flags & abi::kNormSkip ? load_real(dtype, skip, begin + i) : 0.0);
    }
    Moments m = p.flags & abi::kNormGiven ? Moments{double(args.ptr<float>(6)[row % p.period]),
                                                    double(args.ptr<float>(7)[row % p.period])}
                                          : moments_of(v, !(p.flags & abi::kNormRms));
    const double inverse = 1.0 / std::sqrt(m.variance + double(p.epsilon));
    for (size_t i = 0; i < p.cols; ++i) {
      const size_t at = p.flags & abi::kNormRowScale ? row % p.period * p.step + i / p.inner : i;
      const double factor = p.flags & abi::kNormNoScale ? 1.0 : load_real(dtype, scale, at);
      const double shift = p.flags & abi::kNormBias ? load_real(dtype, bias, at) : 0.0;
      store_real(dtype, args.buffers[4], begin + i, (v[i] - m.mean) * inverse * factor + shift);
      if (p.flags & abi::kNormSum) store_real(dtype, args.buffers[5], begin + i, v[i]);
    }
    if (!(p.flags & abi::kNormMoments)) continue;
    args.ptr<float>(6)[row] = float(m.mean);
    args.ptr<float>(7)[row] = float(inverse);
  }
}

}  // namespace

void kernel_layer_norm(KernelRegistry& registry) {
  registry.add<abi::LayerNormParams>("layer_norm", layer_norm_reference);
}

}  // namespace vulcap::ops
