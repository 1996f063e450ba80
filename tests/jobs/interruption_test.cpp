// A job that is killed or stopped at any moment and run again ends as if nothing had happened.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "tests/jobs/job.h"

namespace vulcap::testing {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

class Interruption : public ::testing::Test {
 protected:
  void SetUp() override {
    fill_with_images(images_, sizes().images);
    const auto begin = Clock::now();
    ASSERT_TRUE(exits(run_batch(images_, folder_ / "reference.jsonl"), 0));
    whole_run_ = Clock::now() - begin;
    reference_ = read_output(folder_ / "reference.jsonl");
    ASSERT_EQ(reference_.records.size(), sizes().images);
    TempFolder one;
    fill_with_images(one / "images", 1);
    const auto restart = Clock::now();
    ASSERT_TRUE(exits(run_batch(one / "images", one / "out.jsonl"), 0));
    start_up_ = Clock::now() - restart;
  }

  // A time to wait before the next interruption, such that about `times` of them fall into one job.
  std::chrono::milliseconds draw_wait(size_t times) {
    const Milliseconds part = (whole_run_ - start_up_) / double(times) + start_up_;
    std::uniform_real_distribution<double> distribution(0, 2 * part.count());
    return std::chrono::milliseconds(int(distribution(random_)));
  }

  // The next output; what is complete so far has been compared.
  fs::path next_output() {
    out_ = folder_ / ("out" + std::to_string(jobs_++) + ".jsonl");
    return out_;
  }

  // Runs the job to its end, where it is not there yet, and compares.
  void finish_and_compare() {
    EXPECT_TRUE(exits(run_batch(images_, out_), 0));
    EXPECT_TRUE(same_records(out_, reference_));
  }

  TempFolder folder_;
  fs::path images_ = folder_ / "images";
  fs::path out_;
  Output reference_;
  Milliseconds whole_run_{};
  Milliseconds start_up_{};
  std::mt19937_64 random_{sizes().seed};
  int jobs_ = 0;
};

TEST_F(Interruption, KilledAtAnyMoment) {
  std::string before;
  next_output();
  for (size_t kill = 0; kill < sizes().kills;) {
    ChildProcess child = start_batch(images_, out_);
    const bool finished = child.finishes_within(draw_wait(sizes().kills));
    child.send(SIGKILL);
    const Outcome outcome = child.wait(std::chrono::seconds(60));
    const std::string now = whole_lines(out_);
    ASSERT_TRUE(now.starts_with(before)) << "records were lost or rewritten by the run before kill " << kill;
    before = now;
    if (finished) {
      ASSERT_TRUE(exits(outcome, 0));
      finish_and_compare();
      before.clear();
      next_output();
    } else {
      ++kill;
    }
  }
  finish_and_compare();
  std::printf("%zu kills over %zu images, %d jobs: nothing lost, doubled or torn\n", sizes().kills,
              sizes().images, jobs_);
}

TEST_F(Interruption, StoppedAtAnyMoment) {
  constexpr size_t kMostUnheard = 5;
  size_t unheard = 0;
  std::vector<double> seconds;
  next_output();
  while (seconds.size() < sizes().stops) {
    ChildProcess child = start_batch(images_, out_);
    if (child.finishes_within(std::chrono::milliseconds(int(start_up_.count() / 2)) +
                              draw_wait(sizes().stops))) {
      ASSERT_TRUE(exits(child.wait(std::chrono::seconds(60)), 0));
      finish_and_compare();
      next_output();
      continue;
    }
    const auto begin = Clock::now();
    const int signal = seconds.size() % 2 == 0 ? SIGTERM : SIGUSR1;
    child.send(signal);
    const Outcome outcome = child.wait(std::chrono::seconds(60));
    const double took = std::chrono::duration<double>(Clock::now() - begin).count();
    if (outcome.exit_code == 0) continue;  // it was at its end
    if (outcome.signal == signal) {        // it did not listen yet
      ASSERT_LT(++unheard, kMostUnheard);
      continue;
    }
    ASSERT_TRUE(exits(outcome, 143));
    ASSERT_EQ(read_output(out_).torn, 0u);
    seconds.push_back(took);
  }
  finish_and_compare();
  std::sort(seconds.begin(), seconds.end());
  const double p99 = seconds[(seconds.size() * 99 + 99) / 100 - 1];
  std::printf("%zu stops by SIGTERM and SIGUSR1: median %.3f s, p99 %.3f s, longest %.3f s\n", seconds.size(),
              seconds[seconds.size() / 2], p99, seconds.back());
  EXPECT_LT(p99, 5.0);
  EXPECT_LT(seconds.back(), 20.0);
}

}  // namespace
}  // namespace vulcap::testing
