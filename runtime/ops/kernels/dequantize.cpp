#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/kernels/quantize.h"

namespace vulcap::ops {
namespace {

void dequantize_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::QuantizeParams>();
  const auto [from, to] = args.call.variant;
  for (size_t i = 0; i < p.n; ++i) {
    const size_t at = quantize_index(p, i);
    const double zero = p.flags & abi::kQuantizeZero ? load_real(from, args.buffers[2], at) : 0;
    const float value = float(load_real(from, args.buffers[0], i) - zero);
    store_real(to, args.buffers[3], i, value * float(load_real(DType(p.scale_type), args.buffers[1], at)));
  }
}

}  // namespace

void kernel_dequantize(KernelRegistry& registry) {
  registry.add<abi::QuantizeParams>("dequantize", dequantize_reference);
}

}  // namespace vulcap::ops
