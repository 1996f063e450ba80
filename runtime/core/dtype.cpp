#include "runtime/core/dtype.h"

#include <array>
#include <utility>

namespace vulcap::core {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  size_t bits;
};

constexpr std::array kRows = {
    Row{DType::kUndefined, "undefined", 0},
    Row{DType::kF32, "f32", 32},
    Row{DType::kU8, "u8", 8},
    Row{DType::kI8, "i8", 8},
    Row{DType::kU16, "u16", 16},
    Row{DType::kI16, "i16", 16},
    Row{DType::kI32, "i32", 32},
    Row{DType::kI64, "i64", 64},
    Row{DType::kString, "string", 0},
    Row{DType::kBool, "bool", 8},
    Row{DType::kF16, "f16", 16},
    Row{DType::kF64, "f64", 64},
    Row{DType::kU32, "u32", 32},
    Row{DType::kU64, "u64", 64},
    Row{DType::kBF16, "bf16", 16},
    Row{DType::kU4, "u4", 4},
    Row{DType::kI4, "i4", 4},
    Row{DType::kU2, "u2", 2},
    Row{DType::kI2, "i2", 2},
    Row{DType::kF8E4M3FN, "f8e4m3fn", 8},
    Row{DType::kF8E4M3FNUZ, "f8e4m3fnuz", 8},
    Row{DType::kF8E5M2, "f8e5m2", 8},
    Row{DType::kF8E5M2FNUZ, "f8e5m2fnuz", 8},
    Row{DType::kF8E8M0, "f8e8m0", 8},
    Row{DType::kF4E2M1, "f4e2m1", 4},
};

const Row& row_of(DType dtype) {
  for (const Row& row : kRows) {
    if (row.dtype == dtype) return row;
  }
  return kRows[0];
}

}  // namespace

size_t dtype_bits(DType dtype) { return row_of(dtype).bits; }

size_t dtype_bytes(DType dtype, size_t count) { return (count * dtype_bits(dtype) + 7) / 8; }

std::string_view dtype_name(DType dtype) { return row_of(dtype).name; }

DType dtype_from_name(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return DType::kUndefined;
}

bool dtype_is_float(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kF16:
    case DType::kF64:
    case DType::kBF16:
    case DType::kF8E4M3FN:
    case DType::kF8E4M3FNUZ:
    case DType::kF8E5M2:
    case DType::kF8E5M2FNUZ:
    case DType::kF8E8M0:
    case DType::kF4E2M1:
      return true;
    default:
      return false;
  }
}

bool dtype_is_integer(DType dtype) {
  switch (dtype) {
    case DType::kU8:
    case DType::kU16:
    case DType::kU32:
    case DType::kU64:
    case DType::kU4:
    case DType::kU2:
      return true;
    default:
      return dtype_is_signed(dtype);
  }
}

bool dtype_is_signed(DType dtype) {
  switch (dtype) {
    case DType::kI8:
    case DType::kI16:
    case DType::kI32:
    case DType::kI64:
    case DType::kI4:
    case DType::kI2:
      return true;
    default:
      return false;
  }
}

}  // namespace vulcap::core
