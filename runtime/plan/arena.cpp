#include "runtime/plan/arena.h"

#include <algorithm>
#include <numeric>

namespace vulcap::plan {
namespace {

uint64_t aligned(uint64_t bytes) {
  return std::max(kArenaAlignment, (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment);
}

}  // namespace

ArenaLayout lay_out(const std::vector<Lifetime>& lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  ArenaLayout layout;
  layout.offsets.assign(lifetimes.size(), 0);
  std::vector<size_t> placed;  // by offset
  for (size_t i : order) {
    uint64_t at = 0;
    for (size_t other : placed) {
      const bool together =
          lifetimes[other].first <= lifetimes[i].last && lifetimes[i].first <= lifetimes[other].last;
      if (!together) continue;
      if (layout.offsets[other] >= at + aligned(lifetimes[i].bytes)) break;
      at = std::max(at, layout.offsets[other] + aligned(lifetimes[other].bytes));
    }
    layout.offsets[i] = at;
    layout.bytes = std::max(layout.bytes, at + aligned(lifetimes[i].bytes));
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), at,
                         [&](uint64_t offset, size_t other) { return offset < layout.offsets[other]; }),
        i);
  }
  return layout;
}

}  // namespace vulcap::plan
