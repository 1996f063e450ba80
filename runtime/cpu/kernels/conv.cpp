// Convolutions in groups: an input plane is laid out with its padding once, its columns apart by the phase of
// the stride, so that the taps of a row of outputs are runs of neighbours; each output plane of the group
// then gathers it. Sums stay in f32 planes until the last input channel.
#include <algorithm>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"
#include "runtime/ops/kernels/windows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/conv.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

#ifndef VULCAP_CPU_CONV_LAYOUT
#define VULCAP_CPU_CONV_LAYOUT
namespace vulcap::cpu::planes {

inline constexpr size_t kStep = 16;  // a multiple of every vector's lanes

inline size_t round_up(size_t count) { return (count + kStep - 1) / kStep * kStep; }

// Sizes, in floats, of the scratch of one thread.
struct Layout {
  size_t depth, height;  // padded plane, lines of `phases` runs of `run`
  size_t phases, run;
  size_t out_width;  // of a line of sums
  size_t plane, line, taps, sums;

  explicit Layout(const abi::ConvParams& p)
      : depth((p.out_shape[0] - 1) * size_t(p.stride[0]) + (p.kernel[0] - 1) * size_t(p.dilation[0]) + 1),
        height((p.out_shape[1] - 1) * size_t(p.stride[1]) + (p.kernel[1] - 1) * size_t(p.dilation[1]) + 1),
        phases(p.stride[2]),
        run(round_up(p.out_shape[2]) + round_up((p.kernel[2] - 1) * size_t(p.dilation[2]) / p.stride[2] + 1)),
        out_width(round_up(p.out_shape[2])),
        plane(depth * height * phases * run),
        line(round_up(p.in_shape[2])),
        taps(round_up(ops::volume(p.kernel))),
        sums(size_t(p.out_channels) * p.out_shape[0] * p.out_shape[1] * out_width) {}
  size_t bytes() const { return (plane + line + taps + sums) * sizeof(float); }
};

}  // namespace vulcap::cpu::planes
#endif

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

template <typename T>
class Conv {
 public:
  explicit Conv(const CpuArgs& args)
      : args_(args), p_(args.call().params_as<abi::ConvParams>()), layout_(p_) {}

  void run() const {
    const size_t work = ops::volume(p_.out_shape) * ops::volume(p_.kernel) * p_.in_channels * p_.out_channels;
    const size_t groups = size_t(p_.batch) * p_.groups;
    const size_t slots = work * groups > kSerialMultiplyAdds ? size_t(args_.pool.size()) : 1;
    parallel_items(args_.pool, slots, groups, [&](size_t slot, size_t item) { group(slot, item); });
  }

 private:
  struct Scratch {
    float *plane, *line, *taps, *sums;
  };

  void group(size_t slot, size_t item) const {
    float* base = reinterpret_cast<float*>(args_.scratch) + slot * layout_.bytes() / sizeof(float);
    const Scratch s{base, base + layout_.plane, base + layout_.plane + layout_.line,
                    base + layout_.plane + layout_.line + layout_.taps};
    const size_t first = item % p_.groups * p_.out_channels, plane_sums = layout_.sums / p_.out_channels;
    const size_t window = p_.in_channels * ops::volume(p_.kernel);
    std::fill_n(s.sums, layout_.sums, 0.0f);
    for (size_t c = 0; c < p_.in_channels; ++c) {
      lay_out(args_.ptr<T>(0) + (item * p_.in_channels + c) * ops::volume(p_.in_shape), s);
      for (size_t o = 0; o < p_.out_channels; ++o) {
        const size_t taps = ops::volume(p_.kernel);
        const T* weight = args_.ptr<T>(1) + (first + o) * window + c * taps;
        for (size_t t = 0; t < taps; t += kLanes) store(load_some(weight + t, taps - t), s.taps + t);
        gather_plane(s, s.sums + o * plane_sums);
      }
    }
    for (size_t o = 0; o < p_.out_channels; ++o) {
      const size_t plane = item / p_.groups * p_.groups * p_.out_channels + first + o;
      finish(s.sums + o * plane_sums, first + o, args_.ptr<T>(3) + plane * ops::volume(p_.out_shape));
    }
  }

  void lay_out(const T* image, const Scratch& s) const {
    float* to = s.plane;
    for (size_t d = 0; d < layout_.depth; ++d) {
      for (size_t h = 0; h < layout_.height; ++h, to += layout_.phases * layout_.run) {
        const int64_t at_d = int64_t(d) - p_.pad[0], at_h = int64_t(h) - p_.pad[1];
        if (at_d < 0 || at_h < 0 || at_d >= int64_t(p_.in_shape[0]) || at_h >= int64_t(p_.in_shape[1])) {
          std::fill_n(to, layout_.phases * layout_.run, 0.0f);
        } else {
          lay_out_line(image + (size_t(at_d) * p_.in_shape[1] + size_t(at_h)) * p_.in_shape[2], s.line, to);
        }
      }
    }
  }

  void lay_out_line(const T* from, float* line, float* to) const {
    const size_t width = p_.in_shape[2];
    for (size_t i = 0; i < width; i += kLanes) store(load_some(from + i, width - i), line + i);
    for (size_t phase = 0; phase < layout_.phases; ++phase, to += layout_.run) {
      for (size_t i = 0; i < layout_.run; ++i) {
        const int64_t at = int64_t(i * layout_.phases + phase) - p_.pad[2];
        to[i] = at >= 0 && at < int64_t(width) ? line[at] : 0.0f;
      }
    }
  }

  void gather_plane(const Scratch& s, float* sums) const {
    const size_t line = layout_.phases * layout_.run;
    for (size_t d = 0; d < p_.out_shape[0]; ++d) {
      for (size_t h = 0; h < p_.out_shape[1]; ++h, sums += layout_.out_width) {
        const float* from = s.plane + (d * p_.stride[0] * layout_.height + h * p_.stride[1]) * line;
        size_t x = 0;
        for (; x + 4 * kLanes <= layout_.out_width; x += 4 * kLanes)
          gather_run<4>(from + x, s.taps, sums + x);
        for (; x < layout_.out_width; x += kLanes) gather_run<1>(from + x, s.taps, sums + x);
      }
    }
  }

  // kVectors vectors of outputs of one line; `from` is what their first tap reads.
  template <size_t kVectors>
  HWY_INLINE void gather_run(const float* HWY_RESTRICT from, const float* HWY_RESTRICT taps,
                             float* HWY_RESTRICT sums) const {
    VFloat sum[kVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) sum[v] = load(sums + v * kLanes);
    const size_t line = layout_.phases * layout_.run;
    for (size_t d = 0; d < p_.kernel[0]; ++d) {
      for (size_t i = 0; i < p_.kernel[1]; ++i) {
        const float* row = from + (d * p_.dilation[0] * layout_.height + i * p_.dilation[1]) * line;
        for (size_t j = 0; j < p_.kernel[2]; ++j, ++taps) {
          const size_t shift = j * p_.dilation[2];
          const float* at = row + shift % layout_.phases * layout_.run + shift / layout_.phases;
          const VFloat tap = set(*taps);
#pragma GCC unroll 4
          for (size_t v = 0; v < kVectors; ++v) sum[v] = hn::MulAdd(tap, load(at + v * kLanes), sum[v]);
        }
      }
    }
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) store(sum[v], sums + v * kLanes);
  }

  void finish(const float* sums, size_t o, T* to) const {
    const VFloat bias = p_.flags & abi::kConvBias ? splat(args_.ptr<T>(2)[o]) : hn::Zero(kFloats);
    const size_t lines = size_t(p_.out_shape[0]) * p_.out_shape[1], width = p_.out_shape[2];
    for (size_t line = 0; line < lines; ++line, sums += layout_.out_width, to += width) {
      for (size_t i = 0; i < width; i += kLanes)
        store_some(activate(p_.act, hn::Add(load(sums + i), bias)), to + i, width - i);
    }
  }

  const CpuArgs& args_;
  const abi::ConvParams& p_;
  const planes::Layout layout_;
};

void conv(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return Conv<hwy::float16_t>(args).run();
  Conv<float>(args).run();
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(conv);

namespace {

void run_conv(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(conv)(args); }

bool accepts_conv(const ops::KernelCall& call) {
  const auto& p = call.params_as<abi::ConvParams>();
  const bool empty = p.batch == 0 || ops::volume(p.out_shape) == 0 || ops::volume(p.in_shape) == 0;
  return !empty && (call.variant.storage == core::DType::kF32 || call.variant.storage == core::DType::kF16);
}

size_t conv_scratch(const ops::KernelCall& call, size_t threads) {
  return planes::Layout(call.params_as<abi::ConvParams>()).bytes() * threads;
}

}  // namespace

void cpu_kernel_conv(CpuRegistry& registry) { registry.add("conv", {run_conv, accepts_conv, conv_scratch}); }

}  // namespace vulcap::cpu
#endif
