// How the product of a few rows with a large weight is split into items that threads share. The split depends
// on the sizes and the number of threads alone, so that results do not change from run to run.
#pragma once

#include <algorithm>
#include <cstddef>

#include "shaders/abi.h"

namespace vulcap::cpu {

// Up to this many rows a weight is read where it lies.
inline constexpr size_t kFewRows = 12;

struct FewRows {
  size_t rows, columns, k;
  size_t block;  // columns of an item
  size_t blocks;
  size_t depth;  // rows of B an item, for [k, n]
  size_t depths;
  size_t step;  // floats from one row of sums to the next

  FewRows(const abi::MatmulParams& p, size_t threads) : rows(p.m), columns(p.n), k(p.k) {
    const bool transposed = (p.flags & abi::kMatmulTransB) != 0;
    // [k, n]: items are runs of whole rows as far as their sums stay in the first-level cache.
    constexpr size_t kWidest = 2048;
    block = transposed ? 64 : std::min(kWidest, std::max<size_t>(columns, 1));
    blocks = (columns + block - 1) / block;
    const size_t parts = transposed || blocks >= 2 * threads
                             ? 1
                             : std::max<size_t>(1, 2 * threads / std::max<size_t>(1, blocks));
    depth = std::max<size_t>(64, ((k + parts - 1) / parts + 3) / 4 * 4);
    depths = transposed || k <= depth ? 1 : (k + depth - 1) / depth;
    if (depths == 1) depth = k;
    step = (block + 15) / 16 * 16;
  }
  size_t items() const { return blocks * depths; }
  size_t a_floats() const { return (rows * k + 15) / 16 * 16; }
  size_t sums_floats() const { return rows * step; }  // of one item
  size_t scratch_bytes() const { return (a_floats() + sums_floats() * items()) * sizeof(float); }
};

}  // namespace vulcap::cpu
