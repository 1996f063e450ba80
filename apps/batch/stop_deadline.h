// Sees to it that a process that was asked to stop does so in time.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace vulcap::apps {

// Needs a StopSignals that lives longer.
class StopDeadline {
 public:
  // When the object is still there `grace` after the first signal, the process ends, after a call of the
  // hook.
  explicit StopDeadline(std::chrono::milliseconds grace);
  ~StopDeadline();
  StopDeadline(const StopDeadline&) = delete;
  StopDeadline& operator=(const StopDeadline&) = delete;

  // Of which a stop is requested with the first signal.
  std::stop_token token() const { return stop_.get_token(); }
  // Called from another thread before the process ends for lack of time; may be empty. Returns when a call
  // that goes on is over.
  void set_hook(std::function<void()> hook);

 private:
  void watch();

  std::chrono::milliseconds grace_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::function<void()> hook_;
  int over_;  // eventfd: the object is going
  std::thread thread_;
};

// What a batch job ends with when `signal` stopped it: 130 for SIGINT, else 143, "run the same command
// again".
int stopped_exit_code(int signal);

}  // namespace vulcap::apps
