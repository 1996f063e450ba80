// Integers of 4 or 2 bits packed into bytes, the first in the lowest bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vulcap::core {

// Element `index` of `bits` (4 or 2) bits, zero-extended.
inline uint8_t load_packed(const std::byte* base, size_t bits, size_t index) {
  const size_t at = index * bits;
  return uint8_t((uint8_t(base[at / 8]) >> (at % 8)) & ((1u << bits) - 1));
}

// Leaves the other elements of the byte as they are.
inline void store_packed(std::byte* base, size_t bits, size_t index, uint8_t value) {
  const size_t at = index * bits;
  const unsigned mask = ((1u << bits) - 1) << (at % 8);
  base[at / 8] = std::byte((unsigned(base[at / 8]) & ~mask) | ((unsigned(value) << (at % 8)) & mask));
}

// The value of a two's complement number of `bits` bits.
inline int64_t sign_extend(uint8_t value, size_t bits) {
  return int64_t(value) - (((value >> (bits - 1)) & 1) != 0 ? int64_t(1) << bits : 0);
}

}  // namespace vulcap::core
