#include "apps/worker_pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "runtime/core/error.h"

extern char** environ;

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;
using core::Error;
using core::ErrorCode;

constexpr double kStartLimit = 120;  // seconds until a worker is ready

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? "signal " + std::to_string(signal) : "SIG" + std::string(name);
}

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kRuntime, what + ": " + std::strerror(errno));
}

// The process with its two channels: requests and answers, and what it says on stderr.
class Worker {
 public:
  Worker(std::string program, std::vector<std::string> arguments) {
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
    std::vector<char*> argv{program.data()};
    for (std::string& item : arguments) argv.push_back(item.data());
    argv.push_back(nullptr);
    errno = posix_spawn(&child_, program.c_str(), &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(talk[1]);
    close(errors[1]);
    if (errno != 0) fail("cannot start a worker");
    begin_ = Clock::now();
  }

  ~Worker() {
    close(talk_);
    close(errors_);
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  bool ready() const { return ready_; }
  bool idle() const { return ready_ && !request_; }
  bool busy() const { return request_.has_value(); }
  size_t request() const { return *request_; }
  int served() const { return served_; }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  std::array<pollfd, 2> files() const { return {pollfd{talk_, POLLIN, 0}, pollfd{errors_, POLLIN, 0}}; }

  void send(size_t index, std::string line) {
    request_ = index;
    begin_ = Clock::now();
    error_text_.clear();
    line += '\n';
    for (size_t done = 0; done < line.size();) {
      const ssize_t sent = ::send(talk_, line.data() + done, line.size() - done, MSG_NOSIGNAL);
      if (sent < 0 && errno != EINTR) return;  // it is dead, which reading will find
      done += size_t(std::max<ssize_t>(sent, 0));
    }
  }

  // Takes what is there. Returns a whole line; `ended` is set when the worker is gone.
  std::optional<std::string> receive(bool& ended) {
    std::array<char, 65536> buffer;
    const ssize_t got = read(talk_, buffer.data(), buffer.size());
    if (got > 0) text_.append(buffer.data(), size_t(got));
    ended = got == 0 || (got < 0 && errno != EINTR);
    const size_t end = text_.find('\n');
    if (end == std::string::npos) return std::nullopt;
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
  }

  void receive_errors() {
    std::array<char, 4096> buffer;
    const ssize_t got = read(errors_, buffer.data(), buffer.size());
    if (got > 0) error_text_.append(buffer.data(), size_t(got));
    if (got == 0) {  // closed by the worker; read() of the other channel tells the rest
      close(errors_);
      errors_ = -1;
    }
  }

  void become_ready() { ready_ = true; }
  void finish_request() {
    request_.reset();
    ++served_;
  }

  // Reaps a worker whose channel has closed.
  std::string how_it_ended() {
    while (errors_ >= 0) {
      auto file = files()[1];
      if (poll(&file, 1, 100) <= 0) break;
      receive_errors();
    }
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    const std::string how = WIFSIGNALED(status) ? "ended by " + signal_name(WTERMSIG(status))
                                                : "ended with exit code " + std::to_string(exit_code_);
    return last_error_line().empty() ? how : how + ": " + last_error_line();
  }

  [[noreturn]] void refuse_start() {
    const std::string how = how_it_ended();
    std::string message = last_error_line();
    const std::string prefix = "vulcap: error: ";
    if (message.starts_with(prefix)) message.erase(0, prefix.size());
    throw Error(exit_code_ > 0 ? ErrorCode(exit_code_) : ErrorCode::kRuntime,
                exit_code_ > 0 && !message.empty() ? message : "a worker " + how);
  }

 private:
  std::string last_error_line() const {
    const size_t last = error_text_.find_last_not_of('\n');
    if (last == std::string::npos) return {};
    const size_t before = error_text_.rfind('\n', last);
    const size_t begin = before == std::string::npos ? 0 : before + 1;
    return error_text_.substr(begin, last - begin + 1);
  }

  pid_t child_ = -1;
  int talk_ = -1;
  int errors_ = -1;
  int exit_code_ = 0;
  bool ready_ = false;
  int served_ = 0;
  std::optional<size_t> request_;
  Clock::time_point begin_;
  std::string text_, error_text_;
};

class Pool {
 public:
  Pool(const std::vector<std::string>& requests, const PoolOptions& options,
       const std::function<void(size_t, const Answer&)>& on_answer)
      : requests_(requests), options_(options), on_answer_(on_answer) {}

  void run() {
    workers_.resize(std::min(size_t(std::max(1, options_.workers)), requests_.size()));
    while (answered_ < requests_.size()) {
      for (auto& worker : workers_) supply(worker);
      wait();
      for (auto& worker : workers_) {
        if (worker) check_time(worker);
      }
    }
  }

 private:
  void supply(std::unique_ptr<Worker>& worker) {
    if (next_ == requests_.size()) return;
    if (worker && worker->idle() && worker->served() >= options_.requests_a_worker) worker.reset();
    if (!worker) worker = std::make_unique<Worker>(options_.program, options_.arguments);
    if (!worker->idle()) return;
    worker->send(next_, requests_[next_]);
    ++next_;
  }

  void wait() {
    std::vector<pollfd> files;
    std::vector<std::pair<size_t, bool>> owners;
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (!workers_[i]) continue;
      for (const pollfd& file : workers_[i]->files()) {
        if (file.fd < 0) continue;
        owners.emplace_back(i, file.fd == workers_[i]->files()[0].fd);
        files.push_back(file);
      }
    }
    constexpr int kLongestWait = 200;  // milliseconds, so that time limits are noticed
    poll(files.data(), files.size(), kLongestWait);
    for (size_t i = 0; i < files.size(); ++i) {
      auto& worker = workers_[owners[i].first];
      if (files[i].revents == 0 || !worker) continue;
      owners[i].second ? hear(worker) : worker->receive_errors();
    }
  }

  void hear(std::unique_ptr<Worker>& worker) {
    bool ended = false;
    const auto line = worker->receive(ended);
    if (line && !worker->ready()) {
      worker->become_ready();
    } else if (line && worker->busy()) {
      answer(*worker, {*line, "", worker->seconds()});
    } else if (ended) {
      if (!worker->ready()) worker->refuse_start();
      const double seconds = worker->seconds();
      const std::string how = worker->how_it_ended();
      if (worker->busy()) answer(*worker, {"", how, seconds});
      worker.reset();
    }
  }

  void check_time(std::unique_ptr<Worker>& worker) {
    const double limit = worker->ready() ? options_.time_limit : kStartLimit;
    if (worker->idle() || worker->seconds() <= limit) return;
    if (!worker->ready()) throw Error(ErrorCode::kRuntime, "a worker does not get ready");
    char text[64];
    std::snprintf(text, sizeof text, "no answer within %g s", limit);
    answer(*worker, {"", text, worker->seconds()});
    worker.reset();
  }

  void answer(Worker& worker, const Answer& answer) {
    const size_t index = worker.request();
    worker.finish_request();
    ++answered_;
    on_answer_(index, answer);
  }

  const std::vector<std::string>& requests_;
  const PoolOptions& options_;
  const std::function<void(size_t, const Answer&)>& on_answer_;
  std::vector<std::unique_ptr<Worker>> workers_;
  size_t next_ = 0;
  size_t answered_ = 0;
};

}  // namespace

void run_requests(const std::vector<std::string>& requests, const PoolOptions& options,
                  const std::function<void(size_t, const Answer&)>& on_answer) {
  Pool(requests, options, on_answer).run();
}

void settle_worker(double memory_gib) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (memory_gib <= 0) return;
  rlimit limit{};
  limit.rlim_cur = limit.rlim_max = rlim_t(memory_gib * double(1 << 30));
  setrlimit(RLIMIT_AS, &limit);
}

}  // namespace vulcap::apps
