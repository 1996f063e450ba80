// A child process with its streams captured.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace vulcap::testing {

struct Outcome {
  int exit_code = -1;  // -1: ended by a signal
  int signal = 0;
  bool timed_out = false;  // then it was killed
  std::string out;
  std::string err;
};

using Arguments = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

class Pipe {
 public:
  Pipe();
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int end(int which) const { return ends_[size_t(which)]; }
  void close_end(int which);

 private:
  std::array<int, 2> ends_{-1, -1};
};

class ChildProcess {
 public:
  // `program` is looked for in PATH unless it is a path. `changes` are set on top of this process's
  // environment. Throws std::runtime_error when it cannot be started.
  ChildProcess(const std::string& program, const Arguments& arguments, const Environment& changes);
  ~ChildProcess();  // kills it where it still runs
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void send(int signal);
  // Collects its output for that long; true as soon as it has closed its streams.
  bool finishes_within(std::chrono::milliseconds limit);
  // What has come of its output so far.
  const Outcome& collected() const { return outcome_; }
  // Collects until it ends; kills it when that takes longer.
  Outcome wait(std::chrono::milliseconds limit);

 private:
  Pipe out_;
  Pipe err_;
  pid_t id_ = -1;
  Outcome outcome_;
};

}  // namespace vulcap::testing
