// Which jobs run together, and what becomes of those that do not run.
#include "apps/serve/job_queue.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "apps/serve/fair_slots.h"

namespace vulcap::testing {
namespace {

using namespace vulcap::apps::serve;

struct NamedJob : Job {
  using Job::Job;
  std::string name;
};

// A queue whose runs wait for open() and are written down.
class JobQueueTest : public ::testing::Test {
 protected:
  std::shared_ptr<NamedJob> submit(const std::string& name, const std::string& group,
                                   std::chrono::milliseconds time = std::chrono::seconds(20)) {
    auto job = std::make_shared<NamedJob>(queue_.reserve(), Job::Clock::now() + time);
    job->name = name;
    job->group = group;
    queue_.submit(job);
    return job;
  }
  // The queue is busy with this until open().
  std::shared_ptr<NamedJob> occupy() {
    auto job = submit("first", "");
    begun_.get_future().wait();
    return job;
  }
  void open() { gate_.set_value(); }

  static void await(Job& job) {
    for (std::string piece; !job.wait(piece);) {
    }
  }

  std::vector<std::string> runs_;

 private:
  void run(std::span<const std::shared_ptr<Job>> jobs) {
    std::string names;
    for (const auto& job : jobs) names += static_cast<NamedJob&>(*job).name;
    if (names == "first") {
      begun_.set_value();
      gate_.get_future().wait();
    }
    runs_.push_back(names);
    if (names == "bad") throw std::runtime_error("it went wrong");
    for (const auto& job : jobs) job->finish();
  }

  std::promise<void> begun_;
  std::promise<void> gate_;

 protected:
  JobQueue queue_{8, 3, [this](std::span<const std::shared_ptr<Job>> jobs) { run(jobs); }};
};

TEST_F(JobQueueTest, EqualGroupsRunTogether) {
  std::vector<std::shared_ptr<NamedJob>> jobs{occupy()};
  for (const char* name : {"a1", "b1", "a2", "x", "a3", "a4", "y"}) {
    const std::string group(1, name[0]);
    jobs.push_back(submit(name, group == "x" || group == "y" ? "" : group));
  }
  open();
  for (const auto& job : jobs) await(*job);
  EXPECT_EQ(runs_, (std::vector<std::string>{"first", "a1a2a3", "b1", "x", "a4", "y"}));
}

TEST_F(JobQueueTest, FailuresReachWhoWaits) {
  const auto first = occupy();
  const auto bad = submit("bad", "");
  open();
  await(*first);
  try {
    await(*bad);
    FAIL();
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 500);
    EXPECT_EQ(error.message, "it went wrong");
  }
}

TEST_F(JobQueueTest, JobsThatNobodyWaitsForDoNotRun) {
  const auto first = occupy();
  const auto late = submit("late", "", std::chrono::milliseconds(1));
  const auto left = submit("left", "");
  left->abandon();
  EXPECT_THROW(await(*late), ApiError);
  open();
  await(*submit("last", ""));
  EXPECT_EQ(runs_, (std::vector<std::string>{"first", "last"}));
}

TEST_F(JobQueueTest, PlacesRunOut) {
  std::vector<std::shared_ptr<NamedJob>> jobs{occupy()};
  for (int i = 0; i < 7; ++i) jobs.push_back(submit("x", "x"));
  try {
    submit("more", "");
    FAIL();
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 503);
    EXPECT_GE(error.retry_after, 1);
  }
  open();
  for (const auto& job : jobs) await(*job);
}

TEST_F(JobQueueTest, StoppingFailsWhatWaits) {
  const auto first = occupy();
  const auto waiting = submit("x", "");
  queue_.stop();
  EXPECT_THROW(await(*waiting), ApiError);
  EXPECT_THROW(await(*submit("y", "")), ApiError);
  open();
  await(*first);
}

TEST(FairSlots, AreGivenOutInTheOrderOfAsking) {
  const auto never = Job::Clock::now() + std::chrono::hours(1);
  FairSlots slots(1);
  ASSERT_TRUE(slots.acquire_until(never));
  EXPECT_FALSE(slots.acquire_until(Job::Clock::now() + std::chrono::milliseconds(1)));
  std::vector<int> order;
  std::vector<std::future<void>> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(std::async(std::launch::async, [&, i] {
      slots.acquire_until(never);
      order.push_back(i);  // of one thread at a time
      slots.release();
    }));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  slots.release();
  for (auto& one : waiting) one.get();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace vulcap::testing
