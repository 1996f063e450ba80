// The items of gather_nd and scatter_nd as rows along which x and the indices are walked in one stride.
#pragma once

#include <atomic>
#include <string>

#include "runtime/core/error.h"
#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/strided_loop.h"

namespace vulcap::cpu {

class IndexedLoop {
 public:
  explicit IndexedLoop(const abi::GatherNdParams& p) : p_(p) {
    for (size_t axis = 0; axis < 6; ++axis) {
      loop_.add_axis(p.shape[axis], {p.x_stride[axis], p.i_stride[axis]});
      items_ *= p.shape[axis];
    }
  }

  size_t items() const { return items_; }
  size_t rows() const { return loop_.rows(); }
  size_t length() const { return loop_.size(); }

  // Calls visit(item, offset in x, items) for the runs of row `row`: items that follow each other in x.
  template <typename Index, typename Visit>
  void visit_row(size_t row, const Index* indices, const Visit& visit) {
    const auto [x, first] = loop_.offsets(row);
    const auto [x_step, i_step] = loop_.stride();
    const size_t item = row * length();
    if (i_step == 0 && x_step == 1) {
      if (const int64_t at = offset(indices + first); at >= 0) visit(item, size_t(x + at), length());
      return;
    }
    for (size_t i = 0; i < length(); ++i) {
      const int64_t at = offset(indices + first + int64_t(i) * i_step);
      if (at >= 0) visit(item + i, size_t(x + int64_t(i) * x_step + at), size_t{1});
    }
  }

  // The items of row `row` as y[i] = x[...], where each index is one number.
  template <typename T, typename Index>
  void gather_row(size_t row, const Index* indices, const T* x, T* y) {
    const auto [x_first, i_first] = loop_.offsets(row);
    const auto [x_step, i_step] = loop_.stride();
    const int64_t size = p_.size[0], stride = p_.stride[0];
    const Index* index = indices + i_first;
    const T* from = x + x_first;
    T* to = y + row * length();
    for (size_t i = 0; i < length(); ++i, index += i_step, from += x_step) {
      const int64_t place = int64_t(*index) + (*index < 0 ? size : 0);
      if (uint64_t(place) < uint64_t(size)) {
        to[i] = from[place * stride];
      } else {
        fail(*index, size);
      }
    }
  }
  // Whether gather_row covers the items and runs do not follow each other in x.
  bool by_single_index() const { return p_.depth == 1 && loop_.stride()[1] != 0; }

  // Throws when an index was outside; its items were left out.
  void check(const char* kernel) const {
    if (!failed_) return;
    throw core::Error(core::ErrorCode::kRuntime, std::string(kernel) + ": index " +
                                                     std::to_string(wrong_index_) + " is outside [" +
                                                     std::to_string(-wrong_size_) + ", " +
                                                     std::to_string(wrong_size_) + ") of the indexed axis");
  }

 private:
  template <typename Index>
  int64_t offset(const Index* index) {
    int64_t result = 0;
    for (size_t d = 0; d < p_.depth; ++d) {
      const int64_t size = p_.size[d];
      int64_t place = index[d];
      if (place < -size || place >= size) return fail(place, size);
      if (place < 0) place += size;
      result += place * p_.stride[d];
    }
    return result;
  }
  int64_t fail(int64_t index, int64_t size) {
    if (!failed_.exchange(true)) wrong_index_ = index, wrong_size_ = size;
    return -1;
  }

  const abi::GatherNdParams& p_;
  StridedLoop<2> loop_;
  size_t items_ = 1;
  std::atomic<bool> failed_{false};
  int64_t wrong_index_ = 0, wrong_size_ = 0;
};

// Calls run.operator()<Element, Index>() for the dtypes of a call.
template <typename Run>
void with_element_and_index(const ops::Variant& variant, const Run& run) {
  const auto with_index = [&]<typename Element>() {
    if (variant.second == core::DType::kI32) return run.template operator()<Element, int32_t>();
    run.template operator()<Element, int64_t>();
  };
  switch (core::dtype_bits(variant.storage)) {
    case 8:
      return with_index.template operator()<uint8_t>();
    case 16:
      return with_index.template operator()<uint16_t>();
    case 32:
      return with_index.template operator()<uint32_t>();
    default:
      return with_index.template operator()<uint64_t>();
  }
}

}  // namespace vulcap::cpu
