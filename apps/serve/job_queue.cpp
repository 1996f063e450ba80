#include "apps/serve/job_queue.h"

#include <algorithm>
#include <cmath>
#include <exception>

#include "runtime/core/error.h"

namespace vulcap::apps::serve {
namespace {

constexpr std::chrono::milliseconds kMoment{100};
constexpr double kWeightOfLast = 0.2;  // in the running mean of a job's time

ApiError stopping() { return {503, "the server is stopping", {}, "stopping", 1}; }

}  // namespace

Job::Place::~Place() {
  if (queue_ != nullptr) --queue_->taken_;
}

void Job::add(std::string_view piece) {
  if (piece.empty()) return;
  const std::lock_guard lock(mutex_);
  pieces_.emplace_back(piece);
  changed_.notify_all();
}

void Job::finish() {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

void Job::fail(ApiError error) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  error_ = std::move(error);
  finished_ = true;
  changed_.notify_all();
}

bool Job::wait(std::string& piece) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kMoment, [this] { return finished_ || !pieces_.empty(); });
  piece.clear();
  if (!pieces_.empty()) {
    piece.swap(pieces_.front());
    pieces_.pop_front();
  }
  if (error_) throw *error_;
  if (!finished_ && Clock::now() >= deadline_) {
    abandoned_ = true;
    throw ApiError{504, "the answer took longer than this server waits (--timeout)", {}, "timeout"};
  }
  return finished_ && pieces_.empty();
}

JobQueue::JobQueue(size_t places, size_t batch, Run run)
    : places_(places), batch_(batch), run_(std::move(run)), thread_([this] { loop(); }) {}

JobQueue::~JobQueue() {
  stop();
  thread_.join();
}

Job::Place JobQueue::reserve() {
  if (++taken_ > places_) {
    --taken_;
    throw ApiError{503, "too many requests wait already; try again", {}, "queue_full", seconds_until_free()};
  }
  return Job::Place(*this);
}

void JobQueue::submit(std::shared_ptr<Job> job) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return job->fail(stopping());
  waiting_.push_back(std::move(job));
  changed_.notify_all();
}

void JobQueue::stop() {
  std::deque<std::shared_ptr<Job>> left;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    left.swap(waiting_);
    changed_.notify_all();
  }
  for (const auto& job : left) job->fail(stopping());
}

std::vector<std::shared_ptr<Job>> JobQueue::next_batch() {
  std::unique_lock lock(mutex_);
  std::vector<std::shared_ptr<Job>> jobs;
  while (jobs.empty()) {
    changed_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
    if (stopped_) return {};
    for (auto job = waiting_.begin(); job != waiting_.end() && jobs.size() < batch_;) {
      const bool fits = jobs.empty() || (!jobs[0]->group.empty() && (*job)->group == jobs[0]->group);
      if (fits && (*job)->wanted()) jobs.push_back(*job);
      job = fits || !(*job)->wanted() ? waiting_.erase(job) : job + 1;
    }
  }
  return jobs;
}

void JobQueue::run_batch(const std::vector<std::shared_ptr<Job>>& jobs) {
  ApiError error{500, "the model did not answer", {}, "no_answer"};
  try {
    run_(jobs);
  } catch (const ApiError& thrown) {
    error = thrown;
  } catch (const core::Error& thrown) {
    error = {thrown.code() == core::ErrorCode::kUsage ? 400 : 500, thrown.message()};
  } catch (const std::bad_alloc&) {
    error = {500, "out of memory"};
  } catch (const std::exception& thrown) {
    error = {500, thrown.what()};
  }
  for (const auto& job : jobs) job->fail(error);  // those that are not finished
}

void JobQueue::loop() {
  for (;;) {
    const auto jobs = next_batch();
    if (jobs.empty()) return;
    const auto begin = Job::Clock::now();
    run_batch(jobs);
    const double seconds =
        std::chrono::duration<double>(Job::Clock::now() - begin).count() / double(jobs.size());
    const double mean = seconds_a_job_;
    seconds_a_job_ = mean == 0 ? seconds : mean + kWeightOfLast * (seconds - mean);
  }
}

int JobQueue::seconds_until_free() const {
  return std::max(1, int(std::ceil(seconds_a_job_ * double(taken_.load()) / 2)));
}

}  // namespace vulcap::apps::serve
