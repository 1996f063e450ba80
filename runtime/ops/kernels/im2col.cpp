#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void im2col_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::Im2colParams>();
  const size_t size = core::dtype_bytes(args.call.variant.storage, 1);
  const size_t columns = size_t(p.channels) * p.kernel_h * p.kernel_w, patches = size_t(p.out_h) * p.out_w;
  for (size_t item = 0; item < p.batch * patches * columns; ++item) {
    const size_t column = item % columns, patch = item / columns % patches, b = item / columns / patches;
    const size_t c = column / p.kernel_w / p.kernel_h, i = column / p.kernel_w % p.kernel_h,
                 j = column % p.kernel_w;
    const int64_t ih = int64_t(patch / p.out_w * p.stride_h + i * p.dilation_h) - p.pad_top;
    const int64_t iw = int64_t(patch % p.out_w * p.stride_w + j * p.dilation_w) - p.pad_left;
    std::byte* y = args.buffers[1] + item * size;
    if (ih < 0 || iw < 0 || ih >= int64_t(p.in_h) || iw >= int64_t(p.in_w)) {
      std::memset(y, 0, size);
      continue;
    }
    const size_t plane = b * p.channel_stride + p.channel_begin + c;
    std::memcpy(y, args.buffers[0] + ((plane * p.in_h + size_t(ih)) * p.in_w + size_t(iw)) * size, size);
  }
}

}  // namespace

void kernel_im2col(KernelRegistry& registry) { registry.add<abi::Im2colParams>("im2col", im2col_reference); }

}  // namespace vulcap::ops
