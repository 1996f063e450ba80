// Plain typed loops: one template serves every dtype of whole bytes.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "runtime/core/dtype.h"
#include "runtime/core/half.h"
#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/strided_loop.h"

namespace vulcap::cpu {

// How the elements of a dtype lie in memory (Stored) and what is computed with (Value).
template <typename T>
struct PlainElement {
  using Stored = T;
  using Value = T;
  static Value load(Stored x) { return x; }
  template <typename Number>
  static Stored save(Number x) {
    return T(x);
  }
};
struct HalfElement {
  using Stored = uint16_t;
  using Value = float;
  static Value load(Stored x) { return core::half_to_float(x); }
  static Stored save(double x) { return core::double_to_half(x); }
};
struct BFloat16Element {
  using Stored = uint16_t;
  using Value = float;
  static Value load(Stored x) { return core::bfloat16_to_float(x); }
  static Stored save(double x) { return core::double_to_bfloat16(x); }
};
struct BoolElement {
  using Stored = uint8_t;
  using Value = bool;
  static Value load(Stored x) { return x != 0; }
  static Stored save(Value x) { return x ? 1 : 0; }
};

// Calls function(Element) for the dtype; false when it has none here.
template <typename Function>
bool with_element(core::DType dtype, const Function& function) {
  using core::DType;
  switch (dtype) {
    case DType::kF32:
      return function(PlainElement<float>{}), true;
    case DType::kF64:
      return function(PlainElement<double>{}), true;
    case DType::kF16:
      return function(HalfElement{}), true;
    case DType::kBF16:
      return function(BFloat16Element{}), true;
    case DType::kBool:
      return function(BoolElement{}), true;
    case DType::kI8:
      return function(PlainElement<int8_t>{}), true;
    case DType::kI16:
      return function(PlainElement<int16_t>{}), true;
    case DType::kI32:
      return function(PlainElement<int32_t>{}), true;
    case DType::kI64:
      return function(PlainElement<int64_t>{}), true;
    case DType::kU8:
      return function(PlainElement<uint8_t>{}), true;
    case DType::kU16:
      return function(PlainElement<uint16_t>{}), true;
    case DType::kU32:
      return function(PlainElement<uint32_t>{}), true;
    case DType::kU64:
      return function(PlainElement<uint64_t>{}), true;
    default:
      return false;
  }
}

inline bool has_element(core::DType dtype) {
  return with_element(dtype, [](auto) {});
}

// y[i] = function(a[i], b[i]) over the broadcast shape of a call with BinaryParams.
template <typename In, typename Out, typename Function>
void map_elements(const CpuArgs& args, const Function& function) {
  const auto& p = args.call().params_as<abi::BinaryParams>();
  if (p.n == 0) return;
  StridedLoop<2> loop;
  for (size_t axis = 0; axis < 6; ++axis) loop.add_axis(p.shape[axis], {p.a_stride[axis], p.b_stride[axis]});
  const auto* first = args.ptr<typename In::Stored>(0);
  const auto* second = args.ptr<typename In::Stored>(1);
  auto* target = args.ptr<typename Out::Stored>(2);
  const size_t length = loop.size(), a_step = size_t(loop.stride()[0]), b_step = size_t(loop.stride()[1]);
  const auto run = [&](auto a_unit, auto b_unit, size_t a_at, size_t b_at, size_t y_at, size_t count) {
    const auto *a = first + a_at, *b = second + b_at;
    auto* y = target + y_at;
    const size_t a_stride = a_unit ? 1 : a_step, b_stride = b_unit ? 1 : b_step;
    for (size_t i = 0; i < count; ++i)
      y[i] = Out::save(function(In::load(a[i * a_stride]), In::load(b[i * b_stride])));
  };
  const auto pick = [&](size_t a_at, size_t b_at, size_t y_at, size_t count) {
    if (a_step == 1 && b_step == 1) return run(std::true_type{}, std::true_type{}, a_at, b_at, y_at, count);
    if (a_step == 1) return run(std::true_type{}, std::false_type{}, a_at, b_at, y_at, count);
    run(std::false_type{}, std::false_type{}, a_at, b_at, y_at, count);
  };
  if (loop.rows() == 1) {
    return parallel_range(args.pool, length, 24, [&](size_t begin, size_t end) {
      pick(begin * a_step, begin * b_step, begin, end - begin);
    });
  }
  parallel_range(args.pool, loop.rows(), length * 24, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const auto offset = loop.offsets(row);
      pick(size_t(offset[0]), size_t(offset[1]), row * length, length);
    }
  });
}

}  // namespace vulcap::cpu
