#include <algorithm>
#include <cstdint>
#include <cstring>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/strided_loop.h"

namespace vulcap::cpu {
namespace {

using Loop = StridedLoop<2>;

Loop loop_of(const abi::CopyParams& p) {
  Loop loop;
  for (size_t axis = 0; axis < 6; ++axis)
    loop.add_axis(p.shape[axis], {p.in_stride[axis], p.out_stride[axis]});
  return loop;
}

template <typename T>
void copy_row(const T* x, int64_t x_step, T* y, int64_t y_step, size_t length) {
  if (x_step == 1 && y_step == 1) {
    std::memcpy(y, x, length * sizeof(T));
    return;
  }
  for (size_t i = 0; i < length; ++i) y[int64_t(i) * y_step] = x[int64_t(i) * x_step];
}

// The last two axes when the source is contiguous along the outer one and the target along the inner one.
template <typename T>
void transpose(const T* x, int64_t x_step, size_t columns, T* y, int64_t y_step, size_t rows) {
  constexpr size_t kBlock = 16;
  for (size_t column = 0; column < columns; column += kBlock) {
    const size_t column_end = std::min(columns, column + kBlock);
    for (size_t row = 0; row < rows; row += kBlock) {
      const size_t row_end = std::min(rows, row + kBlock);
      for (size_t i = row; i < row_end; ++i) {
        for (size_t j = column; j < column_end; ++j)
          y[int64_t(i) * y_step + int64_t(j)] = x[int64_t(j) * x_step + int64_t(i)];
      }
    }
  }
}

bool is_transpose(const Loop& loop) {
  return loop.rank() >= 2 && loop.stride(1)[0] == 1 && loop.stride(0)[1] == 1 && loop.stride(0)[0] != 1;
}

template <typename T>
void copy_values(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::CopyParams>();
  if (p.n == 0) return;
  const Loop loop = loop_of(p);
  const int64_t position = args.call().uses_state ? args.args.state[0] : 0;
  const T* x = args.ptr<T>(0) + p.in_offset + p.in_offset_dyn * position;
  T* y = args.ptr<T>(1) + p.out_offset + p.out_offset_dyn * position;
  if (is_transpose(loop)) {
    return parallel_range(args.pool, loop.rows(2), loop.size(0) * loop.size(1) * 2 * sizeof(T),
                          [&](size_t begin, size_t end) {
                            for (size_t row = begin; row < end; ++row) {
                              const auto offset = loop.offsets(row, 2);
                              transpose(x + offset[0], loop.stride(0)[0], loop.size(0), y + offset[1],
                                        loop.stride(1)[1], loop.size(1));
                            }
                          });
  }
  parallel_range(args.pool, loop.rows(), loop.size() * 2 * sizeof(T), [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const auto offset = loop.offsets(row);
      copy_row(x + offset[0], loop.stride()[0], y + offset[1], loop.stride()[1], loop.size());
    }
  });
}

void run_copy(const CpuArgs& args) {
  switch (core::dtype_bytes(args.call().variant.storage, 1)) {
    case 1:
      return copy_values<uint8_t>(args);
    case 2:
      return copy_values<uint16_t>(args);
    case 4:
      return copy_values<uint32_t>(args);
    default:
      return copy_values<uint64_t>(args);
  }
}

}  // namespace

void cpu_kernel_copy(CpuRegistry& registry) { registry.add("copy", {run_copy, has_whole_bytes, nullptr}); }

}  // namespace vulcap::cpu
