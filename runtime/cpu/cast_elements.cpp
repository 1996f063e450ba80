#include "runtime/cpu/cast_elements.h"

#include "runtime/cpu/elements.h"

namespace vulcap::cpu {
namespace {

// Truncates towards zero; the nearest end for what is out of range, 0 for NaN.
template <typename To, typename From>
To saturated(From x) {
  constexpr int kBits = std::numeric_limits<To>::digits;
  const From high =
      From(std::is_signed_v<To> ? 1 : 2) * From(uint64_t{1} << (kBits - (std::is_signed_v<To> ? 0 : 1)));
  if (x >= high) return std::numeric_limits<To>::max();
  if (x > (std::is_signed_v<To> ? -high : From(-1))) return To(x);
  return x == x ? std::numeric_limits<To>::min() : To(0);
}

template <typename From, typename To>
typename To::Stored converted(typename From::Stored stored) {
  using Source = typename From::Value;
  using Target = typename To::Value;
  const Source x = From::load(stored);
  if constexpr (std::is_same_v<To, BoolElement>) {
    return x != Source(0) ? 1 : 0;
  } else if constexpr (std::is_same_v<To, HalfElement>) {
    return std::is_same_v<Source, float> ? core::float_to_half(float(x)) : core::double_to_half(double(x));
  } else if constexpr (std::is_same_v<To, BFloat16Element>) {
    return std::is_same_v<Source, float> ? core::float_to_bfloat16(float(x))
                                         : core::double_to_bfloat16(double(x));
  } else if constexpr (std::is_floating_point_v<Source> && std::is_integral_v<Target>) {
    return saturated<Target>(x);
  } else {
    return Target(x);
  }
}

template <typename From, typename To>
void cast_elements(const CpuArgs& args) {
  const auto* x = args.ptr<typename From::Stored>(0);
  auto* y = args.ptr<typename To::Stored>(1);
  parallel_range(args.pool, args.call().params_as<abi::CastParams>().n, 16, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) y[i] = converted<From, To>(x[i]);
  });
}

}  // namespace

void run_cast_elements(const CpuArgs& args) {
  const auto [from, to] = args.call().variant;
  with_element(from, [&](auto source) {
    with_element(to, [&](auto target) { cast_elements<decltype(source), decltype(target)>(args); });
  });
}

bool accepts_cast_elements(const ops::KernelCall& call) {
  return has_element(call.variant.storage) && has_element(call.variant.second);
}

}  // namespace vulcap::cpu
