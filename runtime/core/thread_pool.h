// A fixed pool for data-parallel kernels. One caller at a time; the caller works too.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vulcap::core {

// Processors this process may use: affinity mask and cgroup v2 quota, at least 1.
int available_processors();

class ThreadPool {
 public:
  // `threads` counts the caller; 0 means available_processors().
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return int(workers_.size()) + 1; }

  // Calls body(task) for every task in [0, tasks), each once, in any order, and returns when all are done.
  // The first exception of a task is thrown again here.
  void run(size_t tasks, const std::function<void(size_t)>& body);

  // Splits [0, count) into at most size() * 4 ranges of at least `grain` items and calls body(begin, end).
  void parallel_for(size_t count, size_t grain, const std::function<void(size_t, size_t)>& body);

 private:
  void work(uint64_t& seen);
  void drain();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<size_t> next_{0};
  std::atomic<size_t> tasks_{0};
  std::atomic<int> active_{0};
  std::atomic<bool> stop_{false};
  const std::function<void(size_t)>* body_ = nullptr;
  std::exception_ptr failure_;
};

}  // namespace vulcap::core
