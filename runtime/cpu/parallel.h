// Data-parallel loops without allocation: bodies are passed to the pool by reference.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>

#include "runtime/core/thread_pool.h"

namespace vulcap::cpu {

// Work below this many multiply-adds, or bytes, is done on the calling thread: waking others would cost more.
inline constexpr size_t kSerialMultiplyAdds = size_t{1} << 18;
inline constexpr size_t kSerialBytes = size_t{1} << 18;

// Calls body(slot, item) once for every item in [0, items); a slot in [0, slots) is never used by two threads
// at once.
template <typename Body>
void parallel_items(core::ThreadPool& pool, size_t slots, size_t items, const Body& body) {
  slots = std::min({slots, items, size_t(pool.size())});
  if (slots <= 1) {
    for (size_t item = 0; item < items; ++item) body(size_t{0}, item);
    return;
  }
  std::atomic<size_t> next{0};
  const auto drain = [&](size_t slot) {
    for (size_t item; (item = next.fetch_add(1, std::memory_order_relaxed)) < items;) body(slot, item);
  };
  pool.run(slots, std::cref(drain));
}

// Calls body(begin, end) on ranges that cover [0, count); on the calling thread when count * item_bytes is
// small.
template <typename Body>
void parallel_range(core::ThreadPool& pool, size_t count, size_t item_bytes, const Body& body) {
  const size_t per_range = std::max<size_t>(1, kSerialBytes / 4 / std::max<size_t>(1, item_bytes));
  const size_t most = size_t(pool.size()) * 4;
  const size_t ranges = std::min(most, (count + per_range - 1) / per_range);
  if (ranges <= 4 || pool.size() == 1) {
    if (count > 0) body(size_t{0}, count);
    return;
  }
  const size_t chunk = (count + ranges - 1) / ranges;
  parallel_items(pool, size_t(pool.size()), ranges, [&](size_t, size_t range) {
    if (range * chunk < count) body(range * chunk, std::min(count, (range + 1) * chunk));
  });
}

}  // namespace vulcap::cpu
