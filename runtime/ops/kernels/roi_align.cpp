#include <algorithm>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

// Regions and coordinates are floats as in the shader.
struct Region {
  float x, y;            // top left
  float cell_h, cell_w;  // elements an output cell spans
  uint32_t samples_h, samples_w;
};

Region read_region(const KernelArgs& args, const abi::RoiAlignParams& p, size_t r) {
  float side[4];
  const float offset = p.flags & abi::kRoiHalfPixel ? 0.5f : 0.0f;
  for (size_t i = 0; i < 4; ++i)
    side[i] = float(load_real(args.call.variant.storage, args.buffers[1], r * 4 + i)) * p.scale - offset;
  float width = side[2] - side[0], height = side[3] - side[1];
  if (!(p.flags & abi::kRoiHalfPixel)) width = std::max(width, 1.0f), height = std::max(height, 1.0f);
  Region region{side[0], side[1], height / float(p.out_h), width / float(p.out_w), p.samples, p.samples};
  if (p.samples == 0) {
    region.samples_h = uint32_t(std::max(0.0f, std::ceil(region.cell_h)));
    region.samples_w = uint32_t(std::max(0.0f, std::ceil(region.cell_w)));
  }
  return region;
}

// The mean of the four corners around (y, x) by weight, or with `largest` the largest weighted corner.
double corners(const KernelArgs& args, const abi::RoiAlignParams& p, size_t plane, float y, float x,
               bool largest) {
  if (y < -1 || y > float(p.in_h) || x < -1 || x > float(p.in_w)) return 0;
  y = std::min(std::max(y, 0.0f), float(p.in_h - 1));
  x = std::min(std::max(x, 0.0f), float(p.in_w - 1));
  const auto top = uint32_t(y), left = uint32_t(x);
  const float down = y - float(top), right = x - float(left);
  double sum = 0, most = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    const size_t h = std::min(top + i / 2, p.in_h - 1), w = std::min(left + i % 2, p.in_w - 1);
    const double value =
        (i / 2 ? down : 1 - down) * (i % 2 ? right : 1 - right) *
        load_real(args.call.variant.storage, args.buffers[0], (plane * p.in_h + h) * p.in_w + w);
    sum += value;
    most = i == 0 ? value : std::max(most, value);
  }
  return largest ? most : sum;
}

void roi_align_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::RoiAlignParams>();
  const bool largest = p.flags & abi::kRoiMax;
  for (size_t i = 0; i < size_t(p.regions) * p.channels * p.out_h * p.out_w; ++i) {
    const size_t w = i % p.out_w, h = i / p.out_w % p.out_h, c = i / p.out_w / p.out_h % p.channels;
    const size_t r = i / p.out_w / p.out_h / p.channels;
    const Region region = read_region(args, p, r);
    const int64_t batch = load_int(DType::kI64, args.buffers[2], r);
    if (batch < 0 || batch >= p.batch)
      throw core::Error(core::ErrorCode::kRuntime, "RoiAlign: batch index " + std::to_string(batch) +
                                                       " is outside [0, " + std::to_string(p.batch) + ")");
    double result = 0;
    for (uint32_t s = 0; s < region.samples_h * region.samples_w; ++s) {
      const float down = (float(s / region.samples_w) + 0.5f) * region.cell_h / float(region.samples_h);
      const float right = (float(s % region.samples_w) + 0.5f) * region.cell_w / float(region.samples_w);
      const float y = region.y + float(h) * region.cell_h + down,
                  x = region.x + float(w) * region.cell_w + right;
      const double value = corners(args, p, size_t(batch) * p.channels + c, y, x, largest);
      result = !largest ? result + value : s == 0 ? value : std::max(result, value);
    }
    if (!largest) result /= std::max<uint32_t>(region.samples_h * region.samples_w, 1);
    store_real(args.call.variant.storage, args.buffers[3], i, result);
  }
}

}  // namespace

void kernel_roi_align(KernelRegistry& registry) {
  registry.add<abi::RoiAlignParams>("roi_align", roi_align_reference);
}

}  // namespace vulcap::ops
