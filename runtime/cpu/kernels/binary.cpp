#include <algorithm>

#include "runtime/cpu/binary_elements.h"
#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"
#include "runtime/cpu/strided_loop.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/binary.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

#ifndef VULCAP_CPU_BINARY_ROWS
#define VULCAP_CPU_BINARY_ROWS
namespace vulcap::cpu::binary_rows {

// The indices of elementwise.def by name.
enum : uint32_t {
#define VULCAP_BINARY(index, name, real, integer) k##name = index,
#include "shaders/elementwise.def"
#undef VULCAP_BINARY
};

inline StridedLoop<2> loop_of(const abi::BinaryParams& p) {
  StridedLoop<2> loop;
  for (size_t axis = 0; axis < 6; ++axis) loop.add_axis(p.shape[axis], {p.a_stride[axis], p.b_stride[axis]});
  return loop;
}

}  // namespace vulcap::cpu::binary_rows
#endif

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

template <typename T>
HWY_INLINE VFloat splat(const T& value) {
  HWY_ALIGN T lanes[kLanes];
  std::fill_n(lanes, kLanes, value);
  return load(lanes);
}

// One row; a step is 0 (one value for the whole row) or 1.
template <typename T, typename Function>
HWY_INLINE void binary_row(const T* a, size_t a_step, const T* b, size_t b_step, T* y, size_t n,
                           const Function& function) {
  if (n == 0) return;
  const VFloat one_a = splat(a[0]), one_b = splat(b[0]);
  for (size_t i = 0; i < n; i += kLanes) {
    const VFloat left = a_step == 0 ? one_a : load_some(a + i, n - i);
    const VFloat right = b_step == 0 ? one_b : load_some(b + i, n - i);
    store_some(function(left, right), y + i, n - i);
  }
}

template <typename T, typename Function>
HWY_INLINE void map_pairs(const CpuArgs& args, const Function& function) {
  const auto& p = args.call().params_as<abi::BinaryParams>();
  if (p.n == 0) return;
  const auto loop = binary_rows::loop_of(p);
  const T *a = args.ptr<T>(0), *b = args.ptr<T>(1);
  T* y = args.ptr<T>(2);
  const size_t length = loop.size(), a_step = size_t(loop.stride()[0]), b_step = size_t(loop.stride()[1]);
  if (loop.rows() == 1) {
    return parallel_range(args.pool, length, 3 * sizeof(T), [&](size_t begin, size_t end) {
      binary_row(a + begin * a_step, a_step, b + begin * b_step, b_step, y + begin, end - begin, function);
    });
  }
  parallel_range(args.pool, loop.rows(), length * 3 * sizeof(T), [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const auto offset = loop.offsets(row);
      binary_row(a + offset[0], a_step, b + offset[1], b_step, y + row * length, length, function);
    }
  });
}

// One exponent for all: the usual ones without a call of pow.
template <typename T>
void raise_to_one_power(const CpuArgs& args) {
  const float exponent = hn::GetLane(splat(args.ptr<T>(1)[0]));
  if (exponent == 2.0f) return map_pairs<T>(args, [](VFloat a, VFloat) HWY_ATTR { return hn::Mul(a, a); });
  if (exponent == 3.0f)
    return map_pairs<T>(args, [](VFloat a, VFloat) HWY_ATTR { return hn::Mul(hn::Mul(a, a), a); });
  if (exponent == 0.5f) return map_pairs<T>(args, [](VFloat a, VFloat) HWY_ATTR { return hn::Sqrt(a); });
  if (exponent == -1.0f)
    return map_pairs<T>(args, [](VFloat a, VFloat) HWY_ATTR { return hn::Div(set(1.0f), a); });
  run_binary_elements(args);
}

template <typename T>
void binary_values(const CpuArgs& args) {
  switch (args.call().params_as<abi::BinaryParams>().op) {
    case binary_rows::kAdd:
      return map_pairs<T>(args, [](VFloat a, VFloat b) HWY_ATTR { return hn::Add(a, b); });
    case binary_rows::kSub:
      return map_pairs<T>(args, [](VFloat a, VFloat b) HWY_ATTR { return hn::Sub(a, b); });
    case binary_rows::kMul:
      return map_pairs<T>(args, [](VFloat a, VFloat b) HWY_ATTR { return hn::Mul(a, b); });
    case binary_rows::kDiv:
      return map_pairs<T>(args, [](VFloat a, VFloat b) HWY_ATTR { return hn::Div(a, b); });
    case binary_rows::kMin:
      return map_pairs<T>(args, [](VFloat a, VFloat b) HWY_ATTR {
        return hn::IfThenElse(hn::Or(hn::Lt(a, b), hn::IsNaN(a)), a, b);
      });
    case binary_rows::kMax:
      return map_pairs<T>(args, [](VFloat a, VFloat b) HWY_ATTR {
        return hn::IfThenElse(hn::Or(hn::Gt(a, b), hn::IsNaN(a)), a, b);
      });
    case binary_rows::kPRelu:
      return map_pairs<T>(args, [](VFloat a, VFloat b) HWY_ATTR {
        return hn::IfThenElse(hn::Lt(a, set(0.0f)), hn::Mul(a, b), a);
      });
    case binary_rows::kPow:
      return raise_to_one_power<T>(args);
    default:
      return;
  }
}

void binary(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return binary_values<hwy::float16_t>(args);
  binary_values<float>(args);
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(binary);

namespace {

void run_binary(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(binary)(args); }

bool accepts_binary(const ops::KernelCall& call) {
  const auto& p = call.params_as<abi::BinaryParams>();
  const auto storage = call.variant.storage;
  if (storage != core::DType::kF32 && storage != core::DType::kF16) return false;
  using namespace binary_rows;
  const bool one_power = p.op == kPow && std::all_of(std::begin(p.b_stride), std::end(p.b_stride),
                                                     [](uint32_t stride) { return stride == 0; });
  if (p.op > kDiv && p.op != kMin && p.op != kMax && p.op != kPRelu && !one_power) return false;
  const auto step = loop_of(p).stride();
  return step[0] <= 1 && step[1] <= 1;
}

}  // namespace

void cpu_kernel_binary(CpuRegistry& registry) {
  registry.add("binary", {run_binary, accepts_binary, nullptr});
  registry.add("binary", {run_binary_elements, accepts_binary_elements, nullptr});
}

}  // namespace vulcap::cpu
#endif
