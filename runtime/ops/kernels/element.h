// Typed element access for the scalar references: every number is a double or an int64 once it is out of its
// buffer.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "runtime/core/dtype.h"
#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/core/packed.h"
#include "runtime/core/small_float.h"

namespace vulcap::ops {

using core::DType;

[[noreturn]] inline void unsupported_dtype(DType dtype) {
  throw core::Error(core::ErrorCode::kRuntime,
                    "a kernel has no variant for " + std::string(core::dtype_name(dtype)) + " elements");
}

template <typename T>
T load_as(const std::byte* base, size_t i) {
  T value;
  std::memcpy(&value, base + i * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void store_as(std::byte* base, size_t i, T value) {
  std::memcpy(base + i * sizeof(T), &value, sizeof(T));
}

inline int64_t load_int(DType dtype, const std::byte* base, size_t i) {
  switch (dtype) {
    case DType::kI64:
      return load_as<int64_t>(base, i);
    case DType::kI32:
      return load_as<int32_t>(base, i);
    case DType::kI16:
      return load_as<int16_t>(base, i);
    case DType::kI8:
      return load_as<int8_t>(base, i);
    case DType::kU64:
      return int64_t(load_as<uint64_t>(base, i));
    case DType::kU32:
      return load_as<uint32_t>(base, i);
    case DType::kU16:
      return load_as<uint16_t>(base, i);
    case DType::kU8:
      return load_as<uint8_t>(base, i);
    case DType::kBool:
      return load_as<uint8_t>(base, i) != 0;
    case DType::kU4:
    case DType::kU2:
      return core::load_packed(base, core::dtype_bits(dtype), i);
    case DType::kI4:
    case DType::kI2:
      return core::sign_extend(core::load_packed(base, core::dtype_bits(dtype), i), core::dtype_bits(dtype));
    default:
      unsupported_dtype(dtype);
  }
}

// Keeps the low bits, as a conversion between integers does; bool keeps "not zero".
inline void store_int(DType dtype, std::byte* base, size_t i, int64_t value) {
  if (dtype == DType::kBool) return store_as<uint8_t>(base, i, value != 0);
  switch (core::dtype_bits(dtype)) {
    case 64:
      return store_as<int64_t>(base, i, value);
    case 32:
      return store_as<uint32_t>(base, i, uint32_t(value));
    case 16:
      return store_as<uint16_t>(base, i, uint16_t(value));
    case 8:
      return store_as<uint8_t>(base, i, uint8_t(value));
    case 4:
    case 2:
      return core::store_packed(base, core::dtype_bits(dtype), i, uint8_t(value));
    default:
      unsupported_dtype(dtype);
  }
}

inline double load_real(DType dtype, const std::byte* base, size_t i) {
  switch (dtype) {
    case DType::kF32:
      return load_as<float>(base, i);
    case DType::kF16:
      return core::half_to_float(load_as<uint16_t>(base, i));
    case DType::kBF16:
      return core::bfloat16_to_float(load_as<uint16_t>(base, i));
    case DType::kF64:
      return load_as<double>(base, i);
    case DType::kU64:
      return double(load_as<uint64_t>(base, i));
    case DType::kF4E2M1:
      return core::small_float_to_double(dtype, core::load_packed(base, 4, i));
    default:
      if (core::dtype_is_small_float(dtype))
        return core::small_float_to_double(dtype, load_as<uint8_t>(base, i));
      return double(load_int(dtype, base, i));
  }
}

// Truncates towards zero, saturates at the ends of `dtype`, NaN gives 0. What is bound for a packed type is
// rounded, and store_int keeps its low bits.
inline int64_t real_to_int(DType dtype, double value) {
  const int bits = int(core::dtype_bits(dtype));
  if (bits < 8) return real_to_int(DType::kI32, std::round(value));
  const bool has_sign = core::dtype_is_signed(dtype);
  const double high = std::ldexp(1.0, has_sign ? bits - 1 : bits);
  if (std::isnan(value)) return 0;
  if (value >= high)
    return bits == 64 && has_sign ? INT64_MAX : int64_t(~uint64_t{0} >> (has_sign ? 65 - bits : 64 - bits));
  if (value <= (has_sign ? -high : 0.0)) return has_sign ? int64_t(-high) : 0;
  return value >= 0x1p63 ? int64_t(uint64_t(value)) : int64_t(value);
}

inline void store_real(DType dtype, std::byte* base, size_t i, double value) {
  switch (dtype) {
    case DType::kF32:
      return store_as<float>(base, i, float(value));
    case DType::kF16:
      return store_as<uint16_t>(base, i, core::double_to_half(value));
    case DType::kBF16:
      return store_as<uint16_t>(base, i, core::double_to_bfloat16(value));
    case DType::kF64:
      return store_as<double>(base, i, value);
    case DType::kBool:
      return store_as<uint8_t>(base, i, value != 0);
    case DType::kF4E2M1:
      return core::store_packed(base, 4, i, core::double_to_small_float(dtype, value));
    default:
      if (core::dtype_is_small_float(dtype))
        return store_as<uint8_t>(base, i, core::double_to_small_float(dtype, value));
      return store_int(dtype, base, i, real_to_int(dtype, value));
  }
}

// Element offset of the i-th item of `shape` in row-major order under `stride`.
template <typename Stride>
int64_t strided_index(uint32_t i, const uint32_t (&shape)[6], const Stride (&stride)[6]) {
  int64_t offset = 0;
  for (int axis = 5; axis >= 0; --axis) {
    offset += int64_t(i % shape[axis]) * int64_t(stride[axis]);
    i /= shape[axis];
  }
  return offset;
}

}  // namespace vulcap::ops
