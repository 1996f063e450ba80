#include "apps/worker_pool.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "apps/child_process.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;
using core::Error;
using core::ErrorCode;

constexpr double kStartLimit = 120;  // seconds until a worker is ready

// A child with the request that it works on.
class Worker {
 public:
  explicit Worker(const PoolOptions& options) : child_({options.program, options.arguments, {}}) {
    begin_ = Clock::now();
  }

  ChildProcess& child() { return child_; }
  bool ready() const { return ready_; }
  bool idle() const { return ready_ && !request_; }
  bool busy() const { return request_.has_value(); }
  size_t request() const { return *request_; }
  int served() const { return served_; }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  void send(size_t index, const std::string& line) {
    request_ = index;
    begin_ = Clock::now();
    child_.clear_errors();
    child_.send(line);
  }
  void become_ready() { ready_ = true; }
  void finish_request() {
    request_.reset();
    ++served_;
  }

 private:
  ChildProcess child_;
  bool ready_ = false;
  int served_ = 0;
  std::optional<size_t> request_;
  Clock::time_point begin_;
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
    if (!worker) worker = std::make_unique<Worker>(options_);
    if (!worker->idle()) return;
    worker->send(next_, requests_[next_]);
    ++next_;
  }

  void wait() {
    std::vector<pollfd> files;
    std::vector<std::pair<size_t, bool>> owners;
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (!workers_[i]) continue;
      for (const pollfd& file : workers_[i]->child().files()) {
        if (file.fd < 0) continue;
        owners.emplace_back(i, file.fd == workers_[i]->child().files()[0].fd);
        files.push_back(file);
      }
    }
    constexpr int kLongestWait = 200;  // milliseconds, so that time limits are noticed
    poll(files.data(), files.size(), kLongestWait);
    for (size_t i = 0; i < files.size(); ++i) {
      auto& worker = workers_[owners[i].first];
      if (files[i].revents == 0 || !worker) continue;
      owners[i].second ? hear(worker) : worker->child().receive_errors();
    }
  }

  void hear(std::unique_ptr<Worker>& worker) {
    bool ended = false;
    const auto line = worker->child().receive(ended);
    if (line && !worker->ready()) {
      worker->become_ready();
    } else if (line && worker->busy()) {
      answer(*worker, {*line, "", worker->seconds()});
    } else if (ended) {
      if (!worker->ready()) worker->child().throw_end("a worker");
      const double seconds = worker->seconds();
      const std::string how = worker->child().reap().description;
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
