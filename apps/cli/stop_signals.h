// Signals that ask to stop, kept as a wish that the work sees at its next safe place.
#pragma once

#include <csignal>
#include <initializer_list>
#include <vector>

namespace vulcap::apps {

// While one lives (one at a time), its signals do not end the process but are remembered; the second of them
// ends it at once with exit code 128 + signal. System calls that wait return with EINTR.
class StopSignals {
 public:
  explicit StopSignals(std::initializer_list<int> signals);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // The first that came; 0: none. The program's exit code is then 128 + this.
  static int received();
  // Waits until `descriptor` can be read or is at its end. False: a signal came first.
  static bool wait_readable(int descriptor);

 private:
  struct Replaced {
    int signal;
    struct sigaction before;
  };
  std::vector<Replaced> replaced_;
};

// Thrown by work that stops because a signal came.
struct Stopped {
  int signal;
  int exit_code() const { return 128 + signal; }
};

// Throws Stopped when a signal came.
void stop_if_asked();

}  // namespace vulcap::apps
