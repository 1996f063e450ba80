// Element types of tensors. Numbering follows ONNX TensorProto.DataType so that files need no table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vulcap::core {

enum class DType : uint8_t {
  kUndefined = 0,
  kF32 = 1,
  kU8 = 2,
  kI8 = 3,
  kU16 = 4,
  kI16 = 5,
  kI32 = 6,
  kI64 = 7,
  kString = 8,
  kBool = 9,
  kF16 = 10,
  kF64 = 11,
  kU32 = 12,
  kU64 = 13,
  kBF16 = 16,
  kF8E4M3FN = 17,
  kF8E4M3FNUZ = 18,
  kF8E5M2 = 19,
  kF8E5M2FNUZ = 20,
  kU4 = 21,
  kI4 = 22,
  kF4E2M1 = 23,
  kF8E8M0 = 24,
  kU2 = 25,
  kI2 = 26,
};

// Bits of one element; 0 for kUndefined and kString.
size_t dtype_bits(DType dtype);
// Bytes that `count` elements take; 4-bit and 2-bit types are packed, the first element in the lowest bits.
size_t dtype_bytes(DType dtype, size_t count);
// Short name: "f32", "i64", "bool", ...
std::string_view dtype_name(DType dtype);
// Inverse of dtype_name; kUndefined for an unknown name.
DType dtype_from_name(std::string_view name);
bool dtype_is_float(DType dtype);
bool dtype_is_integer(DType dtype);
// Integers in two's complement.
bool dtype_is_signed(DType dtype);

}  // namespace vulcap::core
