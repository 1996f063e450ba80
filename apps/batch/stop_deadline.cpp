#include "apps/batch/stop_deadline.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "apps/cli/log.h"
#include "apps/cli/stop_signals.h"

namespace vulcap::apps {

StopDeadline::StopDeadline(std::chrono::milliseconds grace) : grace_(grace), over_(eventfd(0, EFD_CLOEXEC)) {
  if (over_ < 0) throw std::system_error(errno, std::generic_category(), "cannot watch for signals");
  thread_ = std::thread([this] { watch(); });
}

StopDeadline::~StopDeadline() {
  eventfd_write(over_, 1);
  thread_.join();
  ::close(over_);
}

void StopDeadline::set_hook(std::function<void()> hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void StopDeadline::watch() {
  using Clock = std::chrono::steady_clock;
  if (StopSignals::wait_readable(over_)) return;
  stop_.request_stop();
  const auto deadline = Clock::now() + grace_;
  pollfd over{over_, POLLIN, 0};
  for (auto left = grace_; left.count() > 0;
       left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now())) {
    if (::poll(&over, 1, int(left.count())) > 0) return;
  }
  const std::lock_guard lock(mutex_);
  int code = stopped_exit_code(StopSignals::received());
  try {
    if (hook_) hook_();
  } catch (const std::exception& error) {
    log_error(error.what());
    code = 1;
  }
  ::_exit(code);
}

int stopped_exit_code(int signal) { return signal == SIGINT ? 130 : 143; }

}  // namespace vulcap::apps
