// Walks several operands of one six-axis shape, with neighbouring axes merged where every operand allows it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vulcap::cpu {

template <size_t kOperands>
class StridedLoop {
 public:
  using Offsets = std::array<int64_t, kOperands>;

  // Adds axes from the outermost to the innermost; axes of size 1 vanish.
  void add_axis(size_t size, const Offsets& stride) {
    if (size == 1) return;
    if (rank_ > 0 && continues(size, stride)) {
      size_[rank_ - 1] *= size;
      stride_[rank_ - 1] = stride;
      return;
    }
    size_[rank_] = size;
    stride_[rank_++] = stride;
  }

  size_t rank() const { return rank_; }
  // Length and strides of the axis `from_end` places before the last; a scalar has one item of stride 1.
  size_t size(size_t from_end = 0) const { return from_end < rank_ ? size_[rank_ - 1 - from_end] : 1; }
  Offsets stride(size_t from_end = 0) const {
    if (from_end < rank_) return stride_[rank_ - 1 - from_end];
    Offsets ones;
    ones.fill(1);
    return ones;
  }
  // Rows: items of all axes but the last `inner` ones.
  size_t rows(size_t inner = 1) const {
    size_t count = 1;
    for (size_t axis = 0; axis + inner < rank_; ++axis) count *= size_[axis];
    return count;
  }
  // Offsets of each operand at the start of a row.
  Offsets offsets(size_t row, size_t inner = 1) const {
    Offsets result{};
    for (size_t axis = rank_ > inner ? rank_ - inner : 0; axis-- > 0; row /= size_[axis]) {
      for (size_t i = 0; i < kOperands; ++i) result[i] += int64_t(row % size_[axis]) * stride_[axis][i];
    }
    return result;
  }

 private:
  bool continues(size_t size, const Offsets& stride) const {
    for (size_t i = 0; i < kOperands; ++i) {
      if (stride_[rank_ - 1][i] != stride[i] * int64_t(size)) return false;
    }
    return true;
  }

  size_t rank_ = 0;
  std::array<size_t, 6> size_{};
  std::array<Offsets, 6> stride_{};
};

}  // namespace vulcap::cpu
