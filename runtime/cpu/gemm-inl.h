// The register tile of matrix products: a few rows of A times one panel of B into f32.
#if defined(VULCAP_CPU_GEMM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef VULCAP_CPU_GEMM_INL_H
#undef VULCAP_CPU_GEMM_INL_H
#else
#define VULCAP_CPU_GEMM_INL_H
#endif

#include <utility>

#include "runtime/cpu/packed_matrix.h"
#include "runtime/cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

// Rows of one tile: with two vectors a row the accumulators fill the registers (32 of AVX-512, 16 otherwise).
inline constexpr size_t kTileRows = kLanes == 16 ? 12 : 6;
inline constexpr size_t kTileColumns = 2 * kLanes;

// Rows of A are packed four at a time: [ceil(rows / 4)][k][width of the group], the last group as narrow as
// it is.
inline constexpr size_t kGroup = 4;

HWY_INLINE constexpr size_t group_width(size_t rows, size_t group) {
  return rows - group * kGroup < kGroup ? rows - group * kGroup : kGroup;
}

// One factor of a tile: packed rows of A with `k` columns, of which [begin, end) are used.
struct PackedRows {
  const float* data;
  size_t k, begin, end;
};

// c[kRows][32] (+)= A * b, b one panel whose rows are b_step apart, from its row a.begin on. `add` keeps what
// c holds.
template <size_t kRows, typename B>
HWY_NOINLINE void tile(const PackedRows& a, const B* HWY_RESTRICT b, size_t b_step, bool add,
                       float* HWY_RESTRICT c) {
  constexpr size_t kGroups = (kRows + kGroup - 1) / kGroup;
  constexpr size_t kUnroll = kRows == 1 ? 4 : kRows <= 3 ? 2 : 1;
  for (size_t column = 0; column < kPanelWidth; column += kTileColumns) {
    VFloat left[kUnroll][kRows], right[kUnroll][kRows];
#pragma GCC unroll 4
    for (size_t u = 0; u < kUnroll; ++u) {
#pragma GCC unroll 16
      for (size_t row = 0; row < kRows; ++row) left[u][row] = right[u][row] = hn::Zero(kFloats);
    }
    const float* groups[kGroups];
#pragma GCC unroll 4
    for (size_t group = 0; group < kGroups; ++group) groups[group] = a.data + group * kGroup * a.k;
    const B* HWY_RESTRICT from = b + column;
    const auto step = [&](size_t u, size_t at) HWY_ATTR {
      const VFloat b0 = load(from + at * b_step), b1 = load(from + at * b_step + kLanes);
#pragma GCC unroll 16
      for (size_t row = 0; row < kRows; ++row) {
        const VFloat x = set(groups[row / kGroup][at * group_width(kRows, row / kGroup) + row % kGroup]);
        left[u][row] = hn::MulAdd(x, b0, left[u][row]);
        right[u][row] = hn::MulAdd(x, b1, right[u][row]);
      }
    };
    size_t at = a.begin;
    for (; at + kUnroll <= a.end; at += kUnroll) {
#pragma GCC unroll 4
      for (size_t u = 0; u < kUnroll; ++u) step(u, at + u);
    }
    for (; at < a.end; ++at) step(0, at);
#pragma GCC unroll 16
    for (size_t row = 0; row < kRows; ++row) {
      float* to = c + row * kPanelWidth + column;
#pragma GCC unroll 4
      for (size_t u = 1; u < kUnroll; ++u) {
        left[0][row] = hn::Add(left[0][row], left[u][row]);
        right[0][row] = hn::Add(right[0][row], right[u][row]);
      }
      if (add) {
        left[0][row] = hn::Add(left[0][row], load(to));
        right[0][row] = hn::Add(right[0][row], load(to + kLanes));
      }
      store(left[0][row], to);
      store(right[0][row], to + kLanes);
    }
  }
}

template <typename B>
using TileFn = void (*)(const PackedRows&, const B*, size_t, bool, float*);

template <typename B, size_t... kIndex>
TileFn<B> tile_of(size_t rows, std::index_sequence<kIndex...>) {
  static constexpr TileFn<B> kTiles[] = {&tile<kIndex + 1, B>...};
  return kTiles[rows - 1];
}

// The tile for `rows` rows of A, 1 to kTileRows.
template <typename B>
HWY_INLINE TileFn<B> tile_for(size_t rows) {
  return tile_of<B>(rows, std::make_index_sequence<kTileRows>());
}

// One group of at most four rows: packed[k][rows] = a[row * lda + k].
template <typename T>
HWY_INLINE void pack_group(const T* HWY_RESTRICT a, size_t lda, size_t rows, size_t k,
                           float* HWY_RESTRICT packed) {
  HWY_ALIGN float lanes[kGroup * kLanes];
  for (size_t i = 0; i < k; i += kLanes) {
    const size_t count = k - i;
    const VFloat a0 = load_some(a + i, count);
    const VFloat a1 = rows > 1 ? load_some(a + lda + i, count) : a0;
    const VFloat a2 = rows > 2 ? load_some(a + 2 * lda + i, count) : a0;
    const VFloat a3 = rows > 3 ? load_some(a + 3 * lda + i, count) : a0;
    float* to = count < kLanes ? lanes : packed + i * rows;
    switch (rows) {
      case 1:
        store(a0, to);
        break;
      case 2:
        hn::StoreInterleaved2(a0, a1, kFloats, to);
        break;
      case 3:
        hn::StoreInterleaved3(a0, a1, a2, kFloats, to);
        break;
      default:
        hn::StoreInterleaved4(a0, a1, a2, a3, kFloats, to);
        break;
    }
    if (count < kLanes) std::memcpy(packed + i * rows, lanes, count * rows * sizeof(float));
  }
}

template <typename T>
HWY_INLINE void pack_rows_of_a(const T* a, size_t lda, size_t rows, size_t k, float* packed) {
  for (size_t row = 0; row < rows; row += kGroup) {
    pack_group(a + row * lda, lda, rows - row < kGroup ? rows - row : kGroup, k, packed + row * k);
  }
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
