#include "runtime/core/thread_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace vulcap::core {
namespace {

class Pool : public testing::TestWithParam<int> {};

TEST_P(Pool, RunsEveryTaskOnce) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.size(), GetParam());
  for (size_t tasks : {0, 1, 2, 3, 7, 64, 1009}) {
    std::vector<std::atomic<int>> hits(tasks);
    pool.run(tasks, [&](size_t task) { ++hits[task]; });
    for (size_t i = 0; i < tasks; ++i) ASSERT_EQ(hits[i], 1) << "task " << i << " of " << tasks;
  }
}

TEST_P(Pool, RangesCoverTheCountWithoutOverlap) {
  ThreadPool pool(GetParam());
  for (size_t count : {0, 1, 5, 100, 1013}) {
    for (size_t grain : {0, 1, 3, 64, 5000}) {
      std::vector<std::atomic<int>> hits(count);
      std::atomic<size_t> ranges{0};
      pool.parallel_for(count, grain, [&](size_t begin, size_t end) {
        ++ranges;
        EXPECT_LT(begin, end);
        EXPECT_LE(end, count);
        EXPECT_TRUE(end - begin >= grain || end == count);
        for (size_t i = begin; i < end; ++i) ++hits[i];
      });
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(hits[i], 1) << i;
      EXPECT_LE(ranges, size_t(pool.size()) * 4);
    }
  }
}

TEST_P(Pool, ManySmallRuns) {
  ThreadPool pool(GetParam());
  std::atomic<uint64_t> sum{0};
  for (size_t run = 0; run < 20000; ++run) {
    pool.run(3, [&](size_t task) { sum += task; });
  }
  EXPECT_EQ(sum, 20000u * 3);
}

TEST_P(Pool, AnExceptionComesOutAndThePoolGoesOn) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> ran{0};
    EXPECT_THROW(pool.run(16,
                          [&](size_t task) {
                            if (task == 5) throw std::runtime_error("task 5");
                            ++ran;
                          }),
                 std::runtime_error);
    std::atomic<int> after{0};
    pool.run(16, [&](size_t) { ++after; });
    ASSERT_EQ(after, 16);
  }
}

TEST_P(Pool, AllTasksMayThrow) {
  ThreadPool pool(GetParam());
  EXPECT_THROW(pool.run(100, [](size_t task) { throw std::runtime_error(std::to_string(task)); }),
               std::runtime_error);
}

TEST_P(Pool, WakesAfterALongPause) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> ran{0};
    pool.run(8, [&](size_t) { ++ran; });
    ASSERT_EQ(ran, 8);
  }
}

TEST_P(Pool, StartsAndStops) {
  for (int round = 0; round < 100; ++round) {
    ThreadPool pool(GetParam());
    if (round % 2 == 0) pool.run(4, [](size_t) {});
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, Pool, testing::Values(1, 2, 3, 8));

TEST(ThreadPool, UsesTheProcessorsItMayUse) {
  EXPECT_GE(available_processors(), 1);
  EXPECT_EQ(ThreadPool().size(), available_processors());
}

}  // namespace
}  // namespace vulcap::core
