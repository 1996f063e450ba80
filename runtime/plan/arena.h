// Offsets for values that live over a range of calls, so that values that never live together share memory.
#pragma once

#include <cstdint>
#include <vector>

namespace vulcap::plan {

struct Lifetime {
  uint64_t bytes = 0;
  int32_t first = 0;  // call that writes it
  int32_t last = 0;   // last call that touches it
};

struct ArenaLayout {
  std::vector<uint64_t> offsets;  // one a lifetime, multiples of kArenaAlignment
  uint64_t bytes = 0;
};

inline constexpr uint64_t kArenaAlignment = 256;  // covers every minStorageBufferOffsetAlignment in use

// Greatest first, each at the lowest offset that is free over its lifetime.
ArenaLayout lay_out(const std::vector<Lifetime>& lifetimes);

}  // namespace vulcap::plan
