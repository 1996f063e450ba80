#include "runtime/core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vulcap::core {
namespace {

// Workers spin this many times before they sleep, so that back-to-back kernels of one step need no system call.
constexpr int kSpins = 4000;

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
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : int(std::thread::hardware_concurrency());
  const int quota = cgroup_quota();
  if (quota > 0) count = std::min(count, quota);
  return std::max(1, count);
}

ThreadPool::ThreadPool(int threads) {
  const int count = threads > 0 ? threads : available_processors();
  for (int i = 1; i < count; ++i) {
    workers_.emplace_back([this] {
      uint64_t seen = 0;
      while (!stop_.load(std::memory_order_relaxed)) work(seen);
    });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    ++generation_;
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::work(uint64_t& seen) {
  for (int i = 0; i < kSpins && generation_.load(std::memory_order_acquire) == seen; ++i) relax();
  if (generation_.load(std::memory_order_acquire) == seen) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
  }
  seen = generation_.load(std::memory_order_acquire);
  if (stop_.load(std::memory_order_relaxed)) return;
  drain();
  active_.fetch_sub(1, std::memory_order_release);
}

void ThreadPool::drain() {
  for (size_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_.load(std::memory_order_relaxed);) {
    try {
      (*body_)(task);
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
}

void ThreadPool::run(size_t tasks, const std::function<void(size_t)>& body) {
  if (tasks == 0) return;
  if (tasks == 1 || workers_.empty()) {
    for (size_t task = 0; task < tasks; ++task) body(task);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    body_ = &body;
    tasks_ = tasks;
    next_ = 0;
    failure_ = nullptr;
    active_ = int(workers_.size());
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  drain();
  for (int spins = 0; active_.load(std::memory_order_acquire) != 0; ++spins) {
    if (spins < kSpins) {
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
  run(tasks, [&](size_t task) { body(task * chunk, std::min(count, (task + 1) * chunk)); });
}

}  // namespace vulcap::core
