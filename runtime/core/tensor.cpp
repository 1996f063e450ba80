#include "runtime/core/tensor.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/core/packed.h"
#include "runtime/core/small_float.h"

namespace vulcap::core {

size_t element_count(const Shape& shape) {
  size_t count = 1;
  for (int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(count, size_t(dim), &count) || count > (size_t(1) << 46)) {
      throw Error(ErrorCode::kInvalidModel,
                  "tensor shape " + shape_text(shape) + " is negative or too large");
    }
  }
  return count;
}

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  count_ = element_count(shape_);
  auto storage = std::make_shared<std::vector<std::byte>>(dtype_bytes(dtype_, count_));
  view_ = {storage->data(), storage->size()};
  owner_ = std::move(storage);
}

Tensor::Tensor(DType dtype, Shape shape, std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
               bool file_backed)
    : dtype_(dtype),
      shape_(std::move(shape)),
      owner_(std::move(owner)),
      view_(bytes),
      file_backed_(file_backed) {
  count_ = element_count(shape_);
  if (bytes.size() != dtype_bytes(dtype_, count_)) {
    throw Error(ErrorCode::kInvalidModel, "tensor " + shape_text(shape_) + " " +
                                              std::string(dtype_name(dtype_)) + " needs " +
                                              std::to_string(dtype_bytes(dtype_, count_)) +
                                              " bytes but has " + std::to_string(bytes.size()));
  }
}

std::span<std::byte> Tensor::mutable_bytes() {
  assert(!file_backed_);
  return {const_cast<std::byte*>(view_.data()), view_.size()};
}

double Tensor::at_f64(size_t index) const {
  switch (dtype_) {
    case DType::kF32:
      return as<float>()[index];
    case DType::kF64:
      return as<double>()[index];
    case DType::kF16:
      return half_to_float(as<uint16_t>()[index]);
    case DType::kBF16:
      return bfloat16_to_float(as<uint16_t>()[index]);
    case DType::kU64:
      return double(as<uint64_t>()[index]);
    case DType::kF4E2M1:
      return small_float_to_double(dtype_, load_packed(view_.data(), 4, index));
    default:
      if (dtype_is_small_float(dtype_)) return small_float_to_double(dtype_, as<uint8_t>()[index]);
      return double(at_i64(index));
  }
}

int64_t Tensor::at_i64(size_t index) const {
  switch (dtype_) {
    case DType::kI64:
    case DType::kU64:
      return as<int64_t>()[index];
    case DType::kI32:
      return as<int32_t>()[index];
    case DType::kU32:
      return as<uint32_t>()[index];
    case DType::kI16:
      return as<int16_t>()[index];
    case DType::kU16:
      return as<uint16_t>()[index];
    case DType::kI8:
      return as<int8_t>()[index];
    case DType::kU8:
    case DType::kBool:
      return as<uint8_t>()[index];
    case DType::kU4:
    case DType::kU2:
      return load_packed(view_.data(), dtype_bits(dtype_), index);
    case DType::kI4:
    case DType::kI2:
      return sign_extend(load_packed(view_.data(), dtype_bits(dtype_), index), dtype_bits(dtype_));
    default:
      return dtype_is_float(dtype_) ? int64_t(at_f64(index)) : 0;
  }
}

Tensor Tensor::reshaped(Shape shape) const {
  Tensor other = *this;
  assert(element_count(shape) == count_);
  other.shape_ = std::move(shape);
  return other;
}

Tensor to_half(const Tensor& tensor) {
  constexpr float kLargestHalf = 65504.0f;
  Tensor result(DType::kF16, tensor.shape());
  const auto from = tensor.as<float>();
  const auto to = result.mutable_as<uint16_t>();
  for (size_t i = 0; i < to.size(); ++i) {
    const float value = std::isfinite(from[i]) ? std::clamp(from[i], -kLargestHalf, kLargestHalf) : from[i];
    to[i] = float_to_half(value);
  }
  return result;
}

Tensor Tensor::reinterpreted(DType dtype, Shape shape) const {
  Tensor other = *this;
  other.dtype_ = dtype;
  other.shape_ = std::move(shape);
  other.count_ = element_count(other.shape_);
  assert(dtype_bytes(dtype, other.count_) == view_.size());
  return other;
}

}  // namespace vulcap::core
