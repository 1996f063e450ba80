#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

// Bilinear value of a plane between its pixels; pixels outside read 0.
double sample(const abi::DeformParams& p, DType dtype, const std::byte* x, size_t plane, double h, double w) {
  const auto top = int64_t(std::floor(h)), left = int64_t(std::floor(w));
  double sum = 0;
  for (int64_t i = top; i <= top + 1; ++i) {
    for (int64_t j = left; j <= left + 1; ++j) {
      if (i < 0 || j < 0 || i >= int64_t(p.in_shape[0]) || j >= int64_t(p.in_shape[1])) continue;
      const size_t at = (plane * p.in_shape[0] + size_t(i)) * p.in_shape[1] + size_t(j);
      sum += (1 - std::abs(h - double(i))) * (1 - std::abs(w - double(j))) * load_real(dtype, x, at);
    }
  }
  return sum;
}

void deform_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::DeformParams>();
  const DType dtype = args.call.variant.storage;
  const size_t positions = size_t(p.out_shape[0]) * p.out_shape[1], taps = size_t(p.kernel[0]) * p.kernel[1];
  for (size_t item = 0; item < p.batch * p.channels * taps * positions; ++item) {
    const size_t position = item % positions, tap = item / positions % taps;
    const size_t c = item / positions / taps % p.channels, b = item / positions / taps / p.channels;
    const size_t group = (b * p.offset_groups + c * p.offset_groups / p.channels) * taps + tap;
    const size_t place[2] = {position / p.out_shape[1], position % p.out_shape[1]};
    const size_t step[2] = {tap / p.kernel[1], tap % p.kernel[1]};
    double at[2];
    for (size_t i = 0; i < 2; ++i) {
      at[i] = double(int64_t(place[i] * p.stride[i] + step[i] * p.dilation[i]) - p.pad[i]) +
              load_real(dtype, args.buffers[1], (group * 2 + i) * positions + position);
    }
    const double mask = p.masked ? load_real(dtype, args.buffers[2], group * positions + position) : 1.0;
    store_real(dtype, args.buffers[3], item,
               mask * sample(p, dtype, args.buffers[0], b * p.channels + c, at[0], at[1]));
  }
}

}  // namespace

void kernel_deform(KernelRegistry& registry) { registry.add<abi::DeformParams>("deform", deform_reference); }

}  // namespace vulcap::ops
