#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

namespace vulcap::hub {

// Bytes that were transferred, for a progress bar that never goes back: what has to be transferred a second
// time is no progress. Threads may share it.
class ByteCount {
 public:
  // `on_bytes` hears of progress, one call at a time; may be empty. Must outlive the object.
  explicit ByteCount(const std::function<void(uint64_t bytes)>& on_bytes) : on_bytes_(on_bytes) {}

  // Negative: were transferred in vain.
  void add(int64_t bytes) {
    const std::lock_guard guard(mutex_);
    moved_ += bytes;
    if (moved_ <= reported_) return;
    if (on_bytes_) on_bytes_(uint64_t(moved_ - reported_));
    reported_ = moved_;
  }

 private:
  const std::function<void(uint64_t bytes)>& on_bytes_;
  std::mutex mutex_;
  int64_t moved_ = 0;
  int64_t reported_ = 0;
};

}  // namespace vulcap::hub
