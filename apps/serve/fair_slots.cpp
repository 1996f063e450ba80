#include "apps/serve/fair_slots.h"

#include <algorithm>

namespace vulcap::apps::serve {

bool FairSlots::acquire_until(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const uint64_t ticket = ++last_ticket_;
  waiting_.push_back(ticket);
  const bool is_mine =
      changed_.wait_until(lock, deadline, [&] { return free_ > 0 && waiting_.front() == ticket; });
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), ticket));
  if (is_mine) --free_;
  changed_.notify_all();  // the next in line
  return is_mine;
}

void FairSlots::release() {
  const std::lock_guard lock(mutex_);
  ++free_;
  changed_.notify_all();
}

}  // namespace vulcap::apps::serve
