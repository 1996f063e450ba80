// A number of slots, given out in the order of asking.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

namespace vulcap::apps::serve {

class FairSlots {
 public:
  explicit FairSlots(size_t count) : free_(count) {}

  // False when none was free in time.
  bool acquire_until(std::chrono::steady_clock::time_point deadline);
  void release();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t free_;
  uint64_t last_ticket_ = 0;
  std::deque<uint64_t> waiting_;  // tickets, the oldest first
};

}  // namespace vulcap::apps::serve
