#include "apps/cli/stop_signals.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

std::atomic<int> first_signal{0};
// Written by the handler, so that waiting cannot miss a signal that came just before.
std::atomic<int> wake_writer{-1};
int wake_reader = -1;

void remember(int signal) {
  int none = 0;
  if (!first_signal.compare_exchange_strong(none, signal)) _exit(128 + signal);
  const int before = errno;
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = write(wake_writer.load(), &byte, 1);
  errno = before;
}

void open_wake_pipe() {
  if (wake_reader >= 0) return;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
    throw core::Error(core::ErrorCode::kRuntime,
                      std::string("a pipe cannot be made: ") + std::strerror(errno));
  wake_reader = ends[0];
  wake_writer = ends[1];
}

}  // namespace

StopSignals::StopSignals(std::initializer_list<int> signals) {
  open_wake_pipe();
  for (const int signal : signals) {
    struct sigaction action {};
    action.sa_handler = remember;
    sigemptyset(&action.sa_mask);
    Replaced replaced{signal, {}};
    // What the parent ignores (as nohup does for SIGHUP) stays ignored.
    if (sigaction(signal, nullptr, &replaced.before) != 0 || replaced.before.sa_handler == SIG_IGN) continue;
    if (sigaction(signal, &action, nullptr) == 0) replaced_.push_back(replaced);
  }
}

StopSignals::~StopSignals() {
  for (const Replaced& item : replaced_) sigaction(item.signal, &item.before, nullptr);
}

int StopSignals::received() { return first_signal.load(); }

bool StopSignals::wait_readable(int descriptor) {
  pollfd files[2]{{descriptor, POLLIN, 0}, {wake_reader, POLLIN, 0}};
  while (received() == 0) {
    if (poll(files, 2, -1) > 0 && files[0].revents != 0 && received() == 0) return true;
  }
  return false;
}

void stop_if_asked() {
  if (const int signal = StopSignals::received(); signal != 0) throw Stopped{signal};
}

}  // namespace vulcap::apps
