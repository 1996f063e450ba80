#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

// The block that kernel place k puts on image place p along an axis, or -1.
int64_t block_of(const abi::Col2imParams& p, size_t axis, size_t place, size_t k) {
  const int64_t start = int64_t(place) + p.pad[axis] - int64_t(k * p.dilation[axis]);
  if (start < 0 || start % p.stride[axis] != 0 || start / p.stride[axis] >= p.blocks[axis]) return -1;
  return start / p.stride[axis];
}

void col2im_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::Col2imParams>();
  const DType dtype = args.call.variant.storage;
  const size_t image = size_t(p.image[0]) * p.image[1] * p.image[2];
  const size_t kernel = size_t(p.kernel[0]) * p.kernel[1] * p.kernel[2];
  for (size_t i = 0; i < size_t(p.batch) * p.channels * image; ++i) {
    const size_t place[] = {i % image / p.image[2] / p.image[1], i / p.image[2] % p.image[1], i % p.image[2]};
    double sum = 0;
    for (size_t k = 0; k < kernel; ++k) {
      const size_t at[] = {k / p.kernel[2] / p.kernel[1], k / p.kernel[2] % p.kernel[1], k % p.kernel[2]};
      size_t source = i / image * kernel + k;
      bool inside = true;
      for (size_t axis = 0; axis < 3; ++axis) {
        const int64_t block = block_of(p, axis, place[axis], at[axis]);
        inside = inside && block >= 0;
        source = source * p.blocks[axis] + size_t(inside ? block : 0);
      }
      if (inside) sum += load_real(dtype, args.buffers[0], source);
    }
    store_real(dtype, args.buffers[1], i, sum);
  }
}

}  // namespace

void kernel_col2im(KernelRegistry& registry) { registry.add<abi::Col2imParams>("col2im", col2im_reference); }

}  // namespace vulcap::ops
