// The inner loop of integer products: rows of bytes times one panel of signed bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vulcap::cpu {

inline constexpr size_t kIntegerColumns = 32;
inline constexpr size_t kIntegerRows = 8;
inline constexpr size_t kIntegerDepth = 4;  // bytes along k that lie together

// sums[row][column] = sum_k a[row * lda + k] * b[k / 4][column][k % 4], exactly, for `rows` <= kIntegerRows
// rows and the kIntegerColumns columns of the panel; `k` is a multiple of four. a is unsigned, b signed.
using IntegerTile = void (*)(const uint8_t* a, size_t lda, size_t rows, const int8_t* b, size_t k,
                             int32_t* sums);

// The fastest this processor runs: AVX-512 VNNI, AVX2, or plain code.
IntegerTile integer_tile();
// All that this processor runs, for tests; the last is plain code.
const IntegerTile* all_integer_tiles(size_t& count);

}  // namespace vulcap::cpu
