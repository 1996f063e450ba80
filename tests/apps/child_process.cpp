#include "tests/apps/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

extern char** environ;

namespace vulcap::testing {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& item : strings) result.push_back(item.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(const Environment& changes) {
  std::vector<std::string> result;
  for (char** item = environ; *item != nullptr; ++item) {
    const std::string text = *item;
    const std::string name = text.substr(0, text.find('='));
    if (changes.count(name) == 0 && !name.starts_with("VULCAP_ARG_")) result.push_back(text);
  }
  for (const auto& [name, value] : changes) result.push_back(name + "=" + value);
  return result;
}

// Appends what is there; closes the end when the writer is gone.
void drain(Pipe& pipe, std::string& text) {
  std::array<char, 65536> buffer;
  const ssize_t got = read(pipe.end(0), buffer.data(), buffer.size());
  if (got > 0) {
    text.append(buffer.data(), size_t(got));
  } else if (got == 0 || errno != EINTR) {
    pipe.close_end(0);
  }
}

}  // namespace

Pipe::Pipe() {
  if (pipe2(ends_.data(), O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
}

Pipe::~Pipe() {
  close_end(0);
  close_end(1);
}

void Pipe::close_end(int which) {
  int& end = ends_[size_t(which)];
  if (end >= 0) close(end);
  end = -1;
}

ChildProcess::ChildProcess(const std::string& program, const Arguments& arguments,
                           const Environment& changes) {
  std::vector<std::string> argv_text{program};
  argv_text.insert(argv_text.end(), arguments.begin(), arguments.end());
  std::vector<std::string> env_text = environment_with(changes);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out_.end(1), 1);
  posix_spawn_file_actions_adddup2(&actions, err_.end(1), 2);
  const int result = posix_spawnp(&id_, program.c_str(), &actions, nullptr, pointers(argv_text).data(),
                                  pointers(env_text).data());
  posix_spawn_file_actions_destroy(&actions);
  if (result != 0) throw std::runtime_error(program + ": " + std::strerror(result));
  out_.close_end(1);
  err_.close_end(1);
}

ChildProcess::~ChildProcess() {
  if (id_ <= 0) return;
  kill(id_, SIGKILL);
  waitpid(id_, nullptr, 0);
}

void ChildProcess::send(int signal) {
  if (id_ > 0) kill(id_, signal);
}

bool ChildProcess::finishes_within(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (out_.end(0) >= 0 || err_.end(0) >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 2> files{pollfd{out_.end(0), POLLIN, 0}, pollfd{err_.end(0), POLLIN, 0}};
    poll(files.data(), files.size(), int(left));
    if (files[0].revents != 0) drain(out_, outcome_.out);
    if (files[1].revents != 0) drain(err_, outcome_.err);
  }
  return true;
}

Outcome ChildProcess::wait(std::chrono::milliseconds limit) {
  if (!finishes_within(limit)) {
    outcome_.timed_out = true;
    send(SIGKILL);
  }
  int status = 0;
  while (waitpid(id_, &status, 0) < 0 && errno == EINTR) {
  }
  id_ = -1;
  if (WIFEXITED(status)) outcome_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status);
  return outcome_;
}

}  // namespace vulcap::testing
