// A fixed pool for data-parallel kernels. One caller at a time; the caller works too, and never waits for a
// worker that has not begun a task: on a loaded machine a run takes at most about as long as it would alone.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
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
  void run_job(size_t first, size_t tasks, const std::function<void(size_t)>& body);
  void serve();
  bool take_one();
  bool has_work() const;
  void sleep();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // The current job in one word, so that a task is claimed by one exchange and never from a job that is over:
  // generation (24 bits), number of tasks (20 bits), next task (20 bits).
  alignas(64) std::atomic<uint64_t> job_{0};
  alignas(64) std::atomic<size_t> done_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};
  // Set before job_ is published, unchanged until every claimed task of the job is done.
  const std::function<void(size_t)>* body_ = nullptr;
  size_t first_ = 0;
  std::exception_ptr failure_;
};

}  // namespace vulcap::core
