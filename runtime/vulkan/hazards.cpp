#include "runtime/vulkan/hazards.h"

#include <algorithm>

namespace vulcap::vulkan {
namespace {

bool conflict(const Access& a, const Access& b) {
  return a.buffer == b.buffer && (a.written || b.written) && a.begin < b.end && b.begin < a.end;
}

}  // namespace

bool Hazards::needs_barrier(std::span<const Access> accesses) {
  const bool conflicts = std::any_of(accesses.begin(), accesses.end(), [&](const Access& access) {
    return std::any_of(pending_.begin(), pending_.end(),
                       [&](const Access& other) { return conflict(access, other); });
  });
  if (conflicts) pending_.clear();
  pending_.insert(pending_.end(), accesses.begin(), accesses.end());
  return conflicts;
}

}  // namespace vulcap::vulkan
