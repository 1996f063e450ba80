#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/kernels/windows.h"

namespace vulcap::ops {
namespace {

void im2col_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::Im2colParams>();
  const size_t size = core::dtype_bytes(args.call.variant.storage, 1);
  const size_t taps = volume(p.kernel), columns = p.channels * taps, positions = volume(p.out_shape);
  for (size_t item = 0; item < p.batch * positions * columns; ++item) {
    const size_t column = item % columns, position = item / columns % positions,
                 b = item / columns / positions;
    const size_t plane = b * p.channel_stride + p.channel_begin + column / taps;
    const int64_t pixel = pixel_of(p, position, column % taps);
    std::byte* y = args.buffers[1] + item * size;
    if (pixel < 0) {
      std::memset(y, 0, size);
    } else {
      std::memcpy(y, args.buffers[0] + (plane * volume(p.in_shape) + size_t(pixel)) * size, size);
    }
  }
}

}  // namespace

void kernel_im2col(KernelRegistry& registry) { registry.add<abi::Im2colParams>("im2col", im2col_reference); }

}  // namespace vulcap::ops
