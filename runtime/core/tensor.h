// A host tensor: dtype, concrete shape, and contiguous row-major bytes that are owned or point into a mapped
// file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/core/dtype.h"

namespace vulcap::core {

using Shape = std::vector<int64_t>;

// Product of the dims; 1 for a scalar. Throws Error(kInvalidModel) on a negative dim or overflow.
size_t element_count(const Shape& shape);
// "[2,3]"
std::string shape_text(const Shape& shape);

class Tensor {
 public:
  Tensor() = default;
  // Owned, zero-initialised.
  Tensor(DType dtype, Shape shape);
  // Points at `bytes`, kept alive by `owner` (a mapped file). `file_backed` bytes may be released and faulted
  // in again.
  Tensor(DType dtype, Shape shape, std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
         bool file_backed);

  template <typename T>
  static Tensor from(DType dtype, Shape shape, const std::vector<T>& values);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  size_t size() const { return count_; }
  std::span<const std::byte> bytes() const { return view_; }
  // Only for owned tensors.
  std::span<std::byte> mutable_bytes();
  bool file_backed() const { return file_backed_; }
  // Whether no other tensor shares these bytes.
  bool sole_owner() const { return owner_.use_count() <= 1; }

  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(view_.data()), view_.size() / sizeof(T)};
  }
  template <typename T>
  std::span<T> mutable_as() {
    auto bytes = mutable_bytes();
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  // Element `index` converted to double or int64; kU64 keeps its bits in at_i64.
  double at_f64(size_t index) const;
  int64_t at_i64(size_t index) const;

  // The same bytes under another shape of equal element count.
  Tensor reshaped(Shape shape) const;
  // The same bytes read as another dtype; asserts that they fill `shape`.
  Tensor reinterpreted(DType dtype, Shape shape) const;

 private:
  DType dtype_ = DType::kUndefined;
  Shape shape_;
  size_t count_ = 0;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> view_;
  bool file_backed_ = false;
};

// The numbers of an f32 tensor rounded to f16; finite ones that f16 lacks become its largest.
Tensor to_half(const Tensor& tensor);

template <typename T>
Tensor Tensor::from(DType dtype, Shape shape, const std::vector<T>& values) {
  Tensor tensor(dtype, std::move(shape));
  auto bytes = tensor.mutable_bytes();
  const auto* source = reinterpret_cast<const std::byte*>(values.data());
  for (size_t i = 0; i < bytes.size() && i < values.size() * sizeof(T); ++i) bytes[i] = source[i];
  return tensor;
}

}  // namespace vulcap::core
