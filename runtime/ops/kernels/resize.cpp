#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void resize_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::ResizeParams>();
  const DType dtype = args.call.variant.storage;
  for (size_t item = 0; item < size_t(p.outer) * p.out_size * p.inner; ++item) {
    const size_t i = item % p.inner, j = item / p.inner % p.out_size, o = item / p.inner / p.out_size;
    const float* weight = args.ptr<float>(2) + j * (p.taps + 1);
    double sum = double(weight[p.taps]);
    for (size_t t = 0; t < p.taps; ++t) {
      const auto at = size_t(args.ptr<int32_t>(1)[j * p.taps + t]);
      sum += double(weight[t]) * load_real(dtype, args.buffers[0], (o * p.in_size + at) * p.inner + i);
    }
    store_real(dtype, args.buffers[3], item, sum);
  }
}

}  // namespace

void kernel_resize(KernelRegistry& registry) { registry.add<abi::ResizeParams>("resize", resize_reference); }

}  // namespace vulcap::ops
