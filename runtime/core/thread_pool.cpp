#include "runtime/core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <fstream>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vulcap::core {
namespace {

// Workers look for work this long before they sleep, so that back-to-back kernels of one step need no system
// call.
constexpr auto kSpinTime = std::chrono::microseconds(300);
constexpr int kSpinsBetweenClockReads = 64;
// The caller gives its processor away only when a worker lags by far more than one task.
constexpr int kSpinsBeforeYield = 20000;

constexpr int kCountBits = 20;
constexpr uint64_t kCountMask = (uint64_t{1} << kCountBits) - 1;

uint64_t next_task(uint64_t job) { return job & kCountMask; }
uint64_t task_count(uint64_t job) { return job >> kCountBits & kCountMask; }
uint64_t generation(uint64_t job) { return job >> (2 * kCountBits); }
uint64_t make_job(uint64_t number, uint64_t tasks) {
  return number << (2 * kCountBits) | tasks << kCountBits;
}

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

int cgroup_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  try {
    return std::max(1, int(std::stod(quota) / period + 0.5));
  } catch (const std::exception&) {
    return 0;
  }
}

}  // namespace

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                          : int(std::thread::hardware_concurrency());
  const int quota = cgroup_quota();
  if (quota > 0) count = std::min(count, quota);
  return std::max(1, count);
}

ThreadPool::ThreadPool(int threads) {
  const int count = threads > 0 ? threads : available_processors();
  for (int i = 1; i < count; ++i) workers_.emplace_back([this] { serve(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

bool ThreadPool::has_work() const {
  const uint64_t job = job_.load();
  return next_task(job) < task_count(job);
}

// Claims and runs one task of the current job; false when none is left.
bool ThreadPool::take_one() {
  uint64_t job = job_.load(std::memory_order_acquire);
  do {
    if (next_task(job) >= task_count(job)) return false;
  } while (!job_.compare_exchange_weak(job, job + 1, std::memory_order_acquire));
  try {
    (*body_)(first_ + next_task(job));
  } catch (...) {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
  done_.fetch_add(1, std::memory_order_release);
  return true;
}

void ThreadPool::serve() {
  while (!stop_.load(std::memory_order_relaxed)) {
    const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
    bool idle = true;
    while (idle && std::chrono::steady_clock::now() < deadline) {
      for (int i = 0; i < kSpinsBetweenClockReads && idle; ++i) {
        idle = !has_work();
        if (idle) relax();
      }
    }
    if (idle) sleep();
    while (take_one()) {
    }
  }
}

void ThreadPool::sleep() {
  std::unique_lock lock(mutex_);
  ++sleepers_;
  wake_.wait(lock, [&] { return stop_.load() || has_work(); });
  --sleepers_;
}

void ThreadPool::run(size_t tasks, const std::function<void(size_t)>& body) {
  if (tasks <= 1 || workers_.empty()) {
    for (size_t task = 0; task < tasks; ++task) body(task);
    return;
  }
  for (size_t first = 0; first < tasks; first += kCountMask) {
    run_job(first, std::min<size_t>(tasks - first, kCountMask), body);
  }
}

void ThreadPool::run_job(size_t first, size_t tasks, const std::function<void(size_t)>& body) {
  body_ = &body;
  first_ = first;
  failure_ = nullptr;
  done_.store(0, std::memory_order_relaxed);
  job_.store(make_job(generation(job_.load()) + 1, tasks));
  if (sleepers_.load() > 0) {
    { std::lock_guard lock(mutex_); }
    wake_.notify_all();
  }
  while (take_one()) {
  }
  for (int spins = 0; done_.load(std::memory_order_acquire) != tasks; ++spins) {
    if (spins < kSpinsBeforeYield) {
      relax();
    } else {
      std::this_thread::yield();
    }
  }
  if (failure_) std::rethrow_exception(failure_);
}

void ThreadPool::parallel_for(size_t count, size_t grain, const std::function<void(size_t, size_t)>& body) {
  if (count == 0) return;
  const size_t most = size_t(size()) * 4;
  const size_t chunk = std::max({grain, size_t(1), (count + most - 1) / most});
  const size_t tasks = (count + chunk - 1) / chunk;
  if (tasks == 1) return body(0, count);
  const auto range = [&](size_t task) { body(task * chunk, std::min(count, (task + 1) * chunk)); };
  run(tasks, std::cref(range));
}

}  // namespace vulcap::core
