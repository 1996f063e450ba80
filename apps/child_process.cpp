#include "apps/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "runtime/core/error.h"
#include "runtime/core/spawn.h"

extern char** environ;

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;
using core::Error;
using core::ErrorCode;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kRuntime, what + ": " + std::strerror(errno));
}

// NAME=value of this process's environment with `changes` on top.
std::vector<std::string> changed_environment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> all;
  for (char** item = environ; *item != nullptr; ++item) {
    const std::string text = *item;
    if (changes.count(text.substr(0, text.find('='))) == 0) all.push_back(text);
  }
  for (const auto& [name, value] : changes) all.push_back(name + "=" + value);
  return all;
}

}  // namespace

ChildProcess::ChildProcess(const Setup& setup) {
  std::array<int, 2> talk{}, errors{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, talk.data()) != 0) fail("socketpair");
  if (pipe2(errors.data(), O_CLOEXEC) != 0) fail("pipe");
  talk_ = talk[0];
  errors_ = errors[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, talk[1], 0);
  posix_spawn_file_actions_adddup2(&actions, talk[1], 1);
  posix_spawn_file_actions_adddup2(&actions, errors[1], 2);
  std::vector<std::string> command{setup.program};
  command.insert(command.end(), setup.arguments.begin(), setup.arguments.end());
  start_ = Clock::now();
  child_ = core::spawn(std::move(command), changed_environment(setup.environment), actions);
  const int failure = errno;
  posix_spawn_file_actions_destroy(&actions);
  close(talk[1]);
  close(errors[1]);
  if (child_ > 0) return;
  close(talk_);
  close(errors_);
  errno = failure;
  fail("cannot start " + setup.program);
}

ChildProcess::~ChildProcess() {
  close(talk_);
  if (errors_ >= 0) close(errors_);
  if (child_ > 0) {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
}

void ChildProcess::send(std::string line) {
  line += '\n';
  for (size_t done = 0; done < line.size();) {
    const ssize_t sent = ::send(talk_, line.data() + done, line.size() - done, MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) return;
    done += size_t(std::max<ssize_t>(sent, 0));
  }
}

std::optional<std::string> ChildProcess::take_line() {
  const size_t end = text_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = text_.substr(0, end);
  text_.erase(0, end + 1);
  return line;
}

std::optional<std::string> ChildProcess::receive(bool& ended) {
  std::array<char, 65536> buffer;
  const ssize_t got = read(talk_, buffer.data(), buffer.size());
  if (got > 0) text_.append(buffer.data(), size_t(got));
  ended = got == 0 || (got < 0 && errno != EINTR);
  return take_line();
}

void ChildProcess::receive_errors() {
  std::array<char, 4096> buffer;
  const ssize_t got = read(errors_, buffer.data(), buffer.size());
  if (got > 0) error_text_.append(buffer.data(), size_t(got));
  if (got == 0) {  // closed by the child; read() of the other channel tells the rest
    close(errors_);
    errors_ = -1;
  }
}

std::optional<std::string> ChildProcess::wait_line(std::chrono::duration<double> limit) {
  if (auto line = take_line()) return line;
  const auto last = Clock::now() + std::chrono::duration_cast<Clock::duration>(limit);
  for (;;) {
    auto channels = files();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(last - Clock::now()).count();
    if (left <= 0) {
      char text[64];
      std::snprintf(text, sizeof text, "no answer within %g s", limit.count());
      throw Error(ErrorCode::kRuntime, text);
    }
    poll(channels.data(), channels.size(), int(std::min<long>(left, 60000)));
    if (channels[1].revents != 0) receive_errors();
    if (channels[0].revents == 0) continue;
    bool ended = false;
    if (auto line = receive(ended)) return line;
    if (ended) return std::nullopt;
  }
}

void ChildProcess::close_stdin() { shutdown(talk_, SHUT_WR); }

ChildProcess::End ChildProcess::reap() {
  while (errors_ >= 0) {
    auto file = files()[1];
    if (poll(&file, 1, 100) <= 0) break;
    receive_errors();
  }
  int status = 0;
  rusage usage{};
  wait4(child_, &status, 0, &usage);
  child_ = -1;
  End end;
  end.peak_bytes = uint64_t(usage.ru_maxrss) * 1024;
  end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  end.ok = WIFEXITED(status) && end.exit_code == 0;
  end.description = WIFSIGNALED(status) ? "ended by " + core::signal_name(WTERMSIG(status))
                                        : "ended with exit code " + std::to_string(end.exit_code);
  if (const std::string line = last_error_line(); !line.empty()) end.description += ": " + line;
  return end;
}

void ChildProcess::throw_end(const std::string& who) {
  const End end = reap();
  std::string message = last_error_line();
  const std::string prefix = "vulcap: error: ";
  if (message.starts_with(prefix)) message.erase(0, prefix.size());
  throw Error(end.exit_code > 0 ? ErrorCode(end.exit_code) : ErrorCode::kRuntime,
              end.exit_code > 0 && !message.empty() ? message : who + " " + end.description);
}

std::string ChildProcess::last_error_line() const {
  const size_t last = error_text_.find_last_not_of('\n');
  if (last == std::string::npos) return {};
  const size_t before = error_text_.rfind('\n', last);
  const size_t begin = before == std::string::npos ? 0 : before + 1;
  return error_text_.substr(begin, last - begin + 1);
}

double ChildProcess::seconds_since_start() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace vulcap::apps
