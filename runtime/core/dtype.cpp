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
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kF64 || dtype == DType::kBF16;
}

bool dtype_is_integer(DType dtype) {
  switch (dtype) {
    case DType::kU8:
    case DType::kI8:
    case DType::kU16:
    case DType::kI16:
    case DType::kI32:
    case DType::kI64:
    case DType::kU32:
    case DType::kU64:
    case DType::kU4:
    case DType::kI4:
      return true;
    default:
      return false;
  }
}

}  // namespace vulcap::core
