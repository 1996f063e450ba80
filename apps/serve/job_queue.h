// Requests wait here for the one thread that runs the model; those that may run together do.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "apps/serve/api_error.h"

namespace vulcap::apps::serve {

class JobQueue;

// What one request wants of the model. Made by the thread that serves it, run by the queue's.
class Job {
 public:
  using Clock = std::chrono::steady_clock;

  // A place in the queue, free again with the job.
  class Place {
   public:
    explicit Place(JobQueue& queue) : queue_(&queue) {}
    ~Place();
    Place(Place&& other) noexcept : queue_(std::exchange(other.queue_, nullptr)) {}
    Place& operator=(Place&&) = delete;

   private:
    JobQueue* queue_;
  };

  Job(Place place, Clock::time_point deadline) : place_(std::move(place)), deadline_(deadline) {}
  virtual ~Job() = default;

  // Jobs of equal groups may run together; empty: alone.
  std::string group;

  // --- of the queue's thread ---
  // A piece of text for whoever waits.
  void add(std::string_view piece);
  void finish();
  void fail(ApiError error);
  // False when nobody waits any more: the client has gone or the time is up.
  bool wanted() const { return !abandoned_ && Clock::now() < deadline_; }

  // --- of the serving thread ---
  // Waits a moment for the next piece, or the end behind the last one; true: it is finished. `piece` is empty
  // where none came. Throws ApiError for a job that failed or whose time is up.
  bool wait(std::string& piece);
  // Nobody waits any more.
  void abandon() { abandoned_ = true; }

 private:
  Place place_;
  Clock::time_point deadline_;
  std::atomic<bool> abandoned_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> pieces_;
  bool finished_ = false;
  std::optional<ApiError> error_;
};

class JobQueue {
 public:
  // Runs jobs of one group, or a single one; finishes each. What it throws fails those left.
  using Run = std::function<void(std::span<const std::shared_ptr<Job>>)>;

  // `places`: jobs that may be there at once. `batch`: most jobs of a run.
  JobQueue(size_t places, size_t batch, Run run);
  ~JobQueue();
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  // Throws ApiError 503 where there is no place left.
  Job::Place reserve();
  void submit(std::shared_ptr<Job> job);
  // Fails what waits, and what is submitted from now on.
  void stop();

  size_t places_taken() const { return taken_; }

 private:
  friend class Job::Place;

  void loop();
  // Waits; empty when the queue is stopped.
  std::vector<std::shared_ptr<Job>> next_batch();
  void run_batch(const std::vector<std::shared_ptr<Job>>& jobs);
  int seconds_until_free() const;

  const size_t places_;
  const size_t batch_;
  const Run run_;
  std::atomic<size_t> taken_ = 0;
  std::atomic<double> seconds_a_job_ = 0;  // of late
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> waiting_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace vulcap::apps::serve
