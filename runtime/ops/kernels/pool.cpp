#include <algorithm>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/kernels/windows.h"

namespace vulcap::ops {
namespace {

double lowest(DType dtype) {
  if (core::dtype_is_float(dtype)) return -std::numeric_limits<double>::infinity();
  return dtype == DType::kI8 ? -128 : 0;
}

// Whether a place outside the image is one of its padding.
bool in_padding(const abi::PoolParams& p, const std::array<int64_t, 3>& at) {
  for (size_t i = 0; i < 3; ++i) {
    if (at[i] >= int64_t(p.in_shape[i] + p.pad_end[i])) return false;
  }
  return true;
}

int64_t pixel_index(const abi::PoolParams& p, size_t position, size_t tap) {
  if (!(p.flags & abi::kPoolColumnMajor)) return pixel_of(p, position, tap);
  const auto at = place_of(p, position, tap);
  return at[0] + p.in_shape[0] * (at[1] + p.in_shape[1] * at[2]);
}

void pool_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::PoolParams>();
  const DType dtype = args.call.variant.storage;
  const size_t positions = volume(p.out_shape), pixels = volume(p.in_shape), taps = volume(p.kernel);
  for (size_t item = 0; item < p.planes * positions; ++item) {
    const size_t plane = item / positions, position = item % positions;
    double result = p.op == abi::kPoolMax ? lowest(dtype) : 0;
    size_t count = 0, best = 0;
    bool found = false;
    for (size_t tap = 0; tap < taps; ++tap) {
      const int64_t pixel = pixel_of(p, position, tap);
      if (pixel < 0) {
        count += (p.flags & abi::kPoolCountPads) && in_padding(p, place_of(p, position, tap));
        continue;
      }
      ++count;
      const double x = load_real(dtype, args.buffers[0], plane * pixels + size_t(pixel));
      if (p.op == abi::kPoolMean) result += x;
      if (p.op == abi::kPoolLp) result += std::pow(std::abs(x), double(p.power));
      if (p.op != abi::kPoolMax || (found && !(x > result))) continue;
      found = true;
      result = x;
      best = tap;
    }
    if (p.op == abi::kPoolMean) result /= double(std::max<size_t>(count, 1));
    if (p.op == abi::kPoolLp) result = std::pow(result, 1.0 / double(p.power));
    store_real(dtype, args.buffers[1], item, result);
    if (p.flags & abi::kPoolIndices)
      store_as<int64_t>(args.buffers[2], item, int64_t(plane * pixels) + pixel_index(p, position, best));
  }
}

}  // namespace

void kernel_pool(KernelRegistry& registry) { registry.add<abi::PoolParams>("pool", pool_reference); }

}  // namespace vulcap::ops
