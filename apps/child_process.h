// A child process that is spoken to in lines: one channel for its stdin and stdout, one for its stderr.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::apps {

class ChildProcess {
 public:
  struct Setup {
    std::string program = "/proc/self/exe";  // a name without a slash is looked for in PATH
    std::vector<std::string> arguments;
    std::map<std::string, std::string> environment;  // on top of this process's
  };
  // How it ended.
  struct End {
    std::string description;  // "ended by SIGSEGV", "ended with exit code 3: its last line on stderr"
    int exit_code = 0;        // 0 for a signal
    bool ok = false;          // exit code 0
    uint64_t peak_bytes = 0;  // largest resident set
  };

  // Throws core::Error(kRuntime) when it cannot be started.
  explicit ChildProcess(const Setup& setup);
  // Kills a child that has not ended.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // A line to its stdin. That it is dead is found by reading.
  void send(std::string line);
  // Takes what is there. Returns a whole line of stdout; `ended` is set when the channel is closed.
  std::optional<std::string> receive(bool& ended);
  void receive_errors();
  // The two channels, -1 for one that is closed, to poll on.
  std::array<pollfd, 2> files() const { return {pollfd{talk_, POLLIN, 0}, pollfd{errors_, POLLIN, 0}}; }
  // Waits for a line of stdout; nothing when the child ended. Throws core::Error(kRuntime) after `limit`.
  std::optional<std::string> wait_line(std::chrono::duration<double> limit);
  // It shall read no more.
  void close_stdin();
  // Reaps a child whose channel has closed.
  End reap();
  // The same of a child that should not have ended: throws core::Error with its exit code and last error.
  [[noreturn]] void throw_end(const std::string& who);

  const std::string& error_text() const { return error_text_; }
  void clear_errors() { error_text_.clear(); }
  std::string last_error_line() const;
  double seconds_since_start() const;

 private:
  std::optional<std::string> take_line();

  pid_t child_ = -1;
  int talk_ = -1;
  int errors_ = -1;
  std::chrono::steady_clock::time_point start_;
  std::string text_, error_text_;
};

}  // namespace vulcap::apps
