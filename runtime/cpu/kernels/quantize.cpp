#include <algorithm>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/quantize.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

// One scale and zero point for the whole tensor; T: uint8_t or int8_t.
template <typename T>
void quantize_bytes(const CpuArgs& args) {
  using Bytes = hn::Rebind<T, Ints>;
  const auto& p = args.call().params_as<abi::QuantizeParams>();
  const float* x = args.ptr<float>(0);
  T* y = args.ptr<T>(3);
  const VFloat scale = set(args.ptr<float>(1)[0]);
  const VFloat zero = set(p.flags & abi::kQuantizeZero ? float(args.ptr<T>(2)[0]) : 0.0f);
  const VFloat low = set(float(std::numeric_limits<T>::min())),
               high = set(float(std::numeric_limits<T>::max()));
  parallel_range(args.pool, p.n, sizeof(float), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; i += kLanes) {
      const size_t count = end - i;
      const VFloat shifted = hn::Add(hn::Round(hn::Div(load_some(x + i, count), scale)), zero);
      const VFloat kept = hn::IfThenZeroElse(hn::IsNaN(shifted), hn::Min(hn::Max(shifted, low), high));
      const auto bytes = hn::DemoteTo(Bytes(), hn::ConvertTo(Ints(), kept));
      if (count >= kLanes) {
        hn::StoreU(bytes, Bytes(), y + i);
      } else {
        HWY_ALIGN T lanes[kLanes];
        hn::StoreU(bytes, Bytes(), lanes);
        std::copy_n(lanes, count, y + i);
      }
    }
  });
}

void quantize(const CpuArgs& args) {
  if (args.call().variant.second == core::DType::kI8) return quantize_bytes<int8_t>(args);
  quantize_bytes<uint8_t>(args);
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(quantize);

namespace {

void run_quantize(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(quantize)(args); }

bool accepts_quantize(const ops::KernelCall& call) {
  const auto& p = call.params_as<abi::QuantizeParams>();
  const bool bytes = call.variant.second == core::DType::kU8 || call.variant.second == core::DType::kI8;
  const bool one_scale = p.outer_stride == 0 && p.axis_stride == 0 && p.inner_stride == 0;
  return bytes && one_scale && call.variant.storage == core::DType::kF32 &&
         core::DType(p.scale_type) == core::DType::kF32;
}

}  // namespace

void cpu_kernel_quantize(CpuRegistry& registry) {
  registry.add("quantize", {run_quantize, accepts_quantize, nullptr});
}

}  // namespace vulcap::cpu
#endif
