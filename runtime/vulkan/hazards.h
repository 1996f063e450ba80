// Which kernel calls need a barrier before them. Pure bookkeeping over byte ranges.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vulcap::vulkan {

struct Access {
  const void* buffer = nullptr;  // identity only
  uint64_t begin = 0;            // bytes
  uint64_t end = 0;
  bool written = false;
};

class Hazards {
 public:
  // Whether one of `accesses` touches bytes that a call since the last barrier wrote, or writes bytes that
  // one touched. The caller then records a barrier over all memory; either way the accesses are remembered.
  bool needs_barrier(std::span<const Access> accesses);
  // A barrier or a wait happened.
  void clear() { pending_.clear(); }

 private:
  std::vector<Access> pending_;
};

}  // namespace vulcap::vulkan
