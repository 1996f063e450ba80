#include "runtime/cpu/integer_tile.h"

#include <algorithm>
#include <cstring>
#include <utility>

#if defined(__x86_64__) && defined(__GNUC__)
#define VULCAP_X86_TILES
#include <immintrin.h>
#endif

namespace vulcap::cpu {
namespace {

void tile_plain(const uint8_t* a, size_t lda, size_t rows, const int8_t* b, size_t k, int32_t* sums) {
  std::fill_n(sums, rows * kIntegerColumns, 0);
  for (size_t row = 0; row < rows; ++row) {
    int32_t* to = sums + row * kIntegerColumns;
    for (size_t at = 0; at < k; at += kIntegerDepth) {
      const uint8_t* x = a + row * lda + at;
      const int8_t* y = b + at * kIntegerColumns;
      for (size_t column = 0; column < kIntegerColumns; ++column, y += kIntegerDepth)
        to[column] += x[0] * y[0] + x[1] * y[1] + x[2] * y[2] + x[3] * y[3];
    }
  }
}

#ifdef VULCAP_X86_TILES

inline int32_t four_bytes(const uint8_t* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

template <size_t kRows>
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void tile_vnni(const uint8_t* a, size_t lda,
                                                                      const int8_t* b, size_t k,
                                                                      int32_t* sums) {
  __m512i left[kRows], right[kRows];
#pragma GCC unroll 8
  for (size_t row = 0; row < kRows; ++row) left[row] = right[row] = _mm512_setzero_si512();
  for (size_t at = 0; at < k; at += kIntegerDepth, b += kIntegerDepth * kIntegerColumns) {
    const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 64);
#pragma GCC unroll 8
    for (size_t row = 0; row < kRows; ++row) {
      const __m512i x = _mm512_set1_epi32(four_bytes(a + row * lda + at));
      left[row] = _mm512_dpbusd_epi32(left[row], x, b0);
      right[row] = _mm512_dpbusd_epi32(right[row], x, b1);
    }
  }
#pragma GCC unroll 8
  for (size_t row = 0; row < kRows; ++row) {
    _mm512_storeu_si512(sums + row * kIntegerColumns, left[row]);
    _mm512_storeu_si512(sums + row * kIntegerColumns + 16, right[row]);
  }
}

// Pairs of bytes are widened first: the byte product of AVX2 saturates.
__attribute__((target("avx2"))) void tile_avx2_row(const uint8_t* a, const int8_t* b, size_t k,
                                                   int32_t* sums) {
  __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                    _mm256_setzero_si256()};
  for (size_t at = 0; at < k; at += kIntegerDepth, b += kIntegerDepth * kIntegerColumns) {
    const __m256i x = _mm256_cvtepu8_epi16(_mm_set1_epi32(four_bytes(a + at)));
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      const auto* from = reinterpret_cast<const __m128i*>(b + 32 * i);
      const __m256i low = _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(_mm_loadu_si128(from)));
      const __m256i high = _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(_mm_loadu_si128(from + 1)));
      sum[i] = _mm256_add_epi32(sum[i], _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8));
    }
  }
  for (size_t i = 0; i < 4; ++i) _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + 8 * i), sum[i]);
}

void tile_avx2(const uint8_t* a, size_t lda, size_t rows, const int8_t* b, size_t k, int32_t* sums) {
  for (size_t row = 0; row < rows; ++row) tile_avx2_row(a + row * lda, b, k, sums + row * kIntegerColumns);
}

using FixedTile = void (*)(const uint8_t*, size_t, const int8_t*, size_t, int32_t*);

template <size_t... kIndex>
FixedTile vnni_of(size_t rows, std::index_sequence<kIndex...>) {
  static constexpr FixedTile kTiles[] = {&tile_vnni<kIndex + 1>...};
  return kTiles[rows - 1];
}

void tile_vnni_rows(const uint8_t* a, size_t lda, size_t rows, const int8_t* b, size_t k, int32_t* sums) {
  if (rows > 0) vnni_of(rows, std::make_index_sequence<kIntegerRows>())(a, lda, b, k, sums);
}

#endif

struct Tiles {
  IntegerTile usable[3];
  size_t count = 0;

  Tiles() {
#ifdef VULCAP_X86_TILES
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw"))
      usable[count++] = tile_vnni_rows;
    if (__builtin_cpu_supports("avx2")) usable[count++] = tile_avx2;
#endif
    usable[count++] = tile_plain;
  }
};

const Tiles& tiles() {
  static const Tiles found;
  return found;
}

}  // namespace

IntegerTile integer_tile() { return tiles().usable[0]; }

const IntegerTile* all_integer_tiles(size_t& count) {
  count = tiles().count;
  return tiles().usable;
}

}  // namespace vulcap::cpu
