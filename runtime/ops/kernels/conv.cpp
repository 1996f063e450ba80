#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/kernels/element_math.h"
#include "runtime/ops/kernels/windows.h"

namespace vulcap::ops {
namespace {

void conv_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::ConvParams>();
  const DType dtype = args.call.variant.storage;
  const size_t positions = volume(p.out_shape), pixels = volume(p.in_shape), taps = volume(p.kernel);
  const size_t outputs = size_t(p.groups) * p.out_channels, window = p.in_channels * taps;
  for (size_t item = 0; item < p.batch * outputs * positions; ++item) {
    const size_t position = item % positions, o = item / positions % outputs, b = item / positions / outputs;
    const size_t first = (b * p.groups + o / p.out_channels) * p.in_channels;
    double sum = p.flags & abi::kConvBias ? load_real(dtype, args.buffers[2], o) : 0.0;
    for (size_t k = 0; k < window; ++k) {
      const int64_t pixel = pixel_of(p, position, k % taps);
      if (pixel < 0) continue;
      sum += load_real(dtype, args.buffers[1], o * window + k) *
             load_real(dtype, args.buffers[0], (first + k / taps) * pixels + size_t(pixel));
    }
    store_real(dtype, args.buffers[3], item, rows::activation(p.act, sum));
  }
}

}  // namespace

void kernel_conv(KernelRegistry& registry) { registry.add<abi::ConvParams>("conv", conv_reference); }

}  // namespace vulcap::ops
