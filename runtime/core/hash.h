// FNV-1a, 64 bits: a hash that is the same on every machine and in every version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vulcap::core {

// `seed`: the hash of what comes before.
inline uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed = 0xcbf29ce484222325u) {
  for (std::byte byte : bytes) seed = (seed ^ uint64_t(byte)) * 0x100000001b3u;
  return seed;
}

}  // namespace vulcap::core
