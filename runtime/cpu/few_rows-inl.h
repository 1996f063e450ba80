// Products of a few rows with a weight that is read where it lies, once and in the order of its memory: what
// a decode step costs is the time to read its weights.
#if defined(VULCAP_CPU_FEW_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef VULCAP_CPU_FEW_ROWS_INL_H
#undef VULCAP_CPU_FEW_ROWS_INL_H
#else
#define VULCAP_CPU_FEW_ROWS_INL_H
#endif

#include "runtime/cpu/few_rows.h"
#include "runtime/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

// Rows of A that share one pass over a block of B.
inline constexpr size_t kSharedRows = 4;

// sums[kRows][step] (+)= a[kRows][lda] (columns [0, k)) times b[k, n], of which `columns` are used.
template <size_t kRows, typename B>
HWY_NOINLINE void add_rows(const float* HWY_RESTRICT a, size_t lda, const B* HWY_RESTRICT b, size_t ldb,
                           size_t k, size_t columns, float* HWY_RESTRICT sums, size_t step) {
  constexpr size_t kDeep = 4;
  for (size_t at = 0; at < k; at += kDeep) {
    // The last rows of B are read again with weight 0 where k is no multiple of four.
    const B* HWY_RESTRICT from[kDeep];
    VFloat x[kRows][kDeep];
#pragma GCC unroll 4
    for (size_t u = 0; u < kDeep; ++u) {
      const bool inside = at + u < k;
      from[u] = b + (inside ? at + u : at) * ldb;
#pragma GCC unroll 4
      for (size_t row = 0; row < kRows; ++row) x[row][u] = set(inside ? a[row * lda + at + u] : 0.0f);
    }
    size_t column = 0;
    for (; column + kLanes <= columns; column += kLanes) {
      VFloat values[kDeep];
#pragma GCC unroll 4
      for (size_t u = 0; u < kDeep; ++u) values[u] = load(from[u] + column);
#pragma GCC unroll 4
      for (size_t row = 0; row < kRows; ++row) {
        VFloat sum = load(sums + row * step + column);
#pragma GCC unroll 4
        for (size_t u = 0; u < kDeep; ++u) sum = hn::MulAdd(x[row][u], values[u], sum);
        store(sum, sums + row * step + column);
      }
    }
    if (column == columns) continue;
    for (size_t row = 0; row < kRows; ++row) {
      VFloat sum = load(sums + row * step + column);
      for (size_t u = 0; u < kDeep; ++u)
        sum = hn::MulAdd(x[row][u], load_some(from[u] + column, columns - column), sum);
      store(sum, sums + row * step + column);
    }
  }
}

// sums[row][i] = a[row] . b[i] for `columns` rows of b[n, k].
template <size_t kRows, typename B>
HWY_NOINLINE void dot_rows(const float* HWY_RESTRICT a, size_t lda, const B* HWY_RESTRICT b, size_t ldb,
                           size_t k, size_t columns, float* HWY_RESTRICT sums, size_t step) {
  constexpr size_t kWide = kRows == 1 ? 4 : 2;
  const size_t whole = k / kLanes * kLanes;
  for (size_t i = 0; i < columns; i += kWide) {
    const B* HWY_RESTRICT from[kWide];
    VFloat sum[kWide][kRows];
#pragma GCC unroll 4
    for (size_t w = 0; w < kWide; ++w) {
      from[w] = b + (i + w < columns ? i + w : i) * ldb;
#pragma GCC unroll 4
      for (size_t row = 0; row < kRows; ++row) sum[w][row] = hn::Zero(kFloats);
    }
    for (size_t at = 0; at < whole; at += kLanes) {
#pragma GCC unroll 4
      for (size_t w = 0; w < kWide; ++w) {
        const VFloat value = load(from[w] + at);
#pragma GCC unroll 4
        for (size_t row = 0; row < kRows; ++row)
          sum[w][row] = hn::MulAdd(load(a + row * lda + at), value, sum[w][row]);
      }
    }
    for (size_t w = 0; w < kWide && i + w < columns; ++w) {
      for (size_t row = 0; row < kRows; ++row) {
        VFloat total = sum[w][row];
        if (whole < k)
          total = hn::MulAdd(load_some(a + row * lda + whole, k - whole),
                             load_some(from[w] + whole, k - whole), total);
        sums[row * step + i + w] = hn::GetLane(hn::SumOfLanes(kFloats, total));
      }
    }
  }
}

template <typename B>
using FewRowsFn = void (*)(const float*, size_t, const B*, size_t, size_t, size_t, float*, size_t);

// The same for any number of rows.
template <typename B>
void few_rows_product(bool transposed, size_t rows, const float* a, size_t lda, const B* b, size_t ldb,
                      size_t k, size_t columns, float* sums, size_t step) {
  static constexpr FewRowsFn<B> kStraight[] = {add_rows<1, B>, add_rows<2, B>, add_rows<3, B>,
                                               add_rows<4, B>};
  static constexpr FewRowsFn<B> kTransposed[] = {dot_rows<1, B>, dot_rows<2, B>, dot_rows<3, B>,
                                                 dot_rows<4, B>};
  for (size_t row = 0; row < rows; row += kSharedRows) {
    const size_t count = rows - row < kSharedRows ? rows - row : kSharedRows;
    (transposed ? kTransposed : kStraight)[count - 1](a + row * lda, lda, b, ldb, k, columns,
                                                      sums + row * step, step);
  }
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
