#include <algorithm>
#include <cmath>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

// In float throughout, as ONNX Runtime does: a zero point one off would move every product.
void quantize_range_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::QuantizeRangeParams>();
  float low = 0, high = 0;
  for (size_t i = 0; i < p.n; ++i) {
    low = std::min(low, load_as<float>(args.buffers[0], i));
    high = std::max(high, load_as<float>(args.buffers[1], i));
  }
  const float scale = low == high ? 1.0f : (high - low) / 255.0f;
  const float zero = std::nearbyint(std::min(255.0f, std::max(0.0f, 0.0f - low / scale)));
  store_as<float>(args.buffers[2], 0, scale);
  store_as<uint8_t>(args.buffers[3], 0, uint8_t(zero));
}

}  // namespace

void kernel_quantize_range(KernelRegistry& registry) {
  registry.add<abi::QuantizeRangeParams>("quantize_range", quantize_range_reference);
}

}  // namespace vulcap::ops
