// Requests in child processes that crash, hang, babble or cannot start.
#include "apps/worker_pool.h"

#include <gtest/gtest.h>

#include <map>

#include "runtime/core/error.h"

namespace vulcap::testing {
namespace {

constexpr const char* kWorker = R"(
echo ready
while read request; do
  case $request in
    crash) echo "something broke" >&2; kill -SEGV $$;;
    hang) sleep 60;;
    leave) exit 7;;
    *) echo "got $request";;
  esac
done)";

std::vector<apps::Answer> answers(const std::vector<std::string>& requests, apps::PoolOptions options = {}) {
  options.program = "/bin/sh";
  if (options.arguments.empty()) options.arguments = {"-c", kWorker};
  options.workers = 2;
  std::vector<apps::Answer> result(requests.size());
  int called = 0;
  apps::run_requests(requests, options, [&](size_t index, const apps::Answer& answer) {
    result.at(index) = answer;
    ++called;
  });
  EXPECT_EQ(called, int(requests.size()));
  return result;
}

TEST(WorkerPool, AnswersEveryRequest) {
  std::vector<std::string> requests;
  for (int i = 0; i < 50; ++i) requests.push_back(std::to_string(i));
  apps::PoolOptions options;
  options.requests_a_worker = 7;
  const auto result = answers(requests, options);
  for (size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(result[i].line, "got " + requests[i]);
}

TEST(WorkerPool, ACrashIsTheFailureOfOneRequest) {
  const auto result = answers({"a", "crash", "b", "crash", "leave", "c"});
  EXPECT_EQ(result[0].line, "got a");
  EXPECT_EQ(result[1].failure, "ended by SIGSEGV: something broke");
  EXPECT_EQ(result[2].line, "got b");
  EXPECT_EQ(result[3].failure, "ended by SIGSEGV: something broke");
  EXPECT_EQ(result[4].failure, "ended with exit code 7");
  EXPECT_EQ(result[5].line, "got c");
}

TEST(WorkerPool, AHangEndsAtTheTimeLimit) {
  apps::PoolOptions options;
  options.time_limit = 0.5;
  const auto result = answers({"a", "hang", "b", "c"}, options);
  EXPECT_EQ(result[1].failure, "no answer within 0.5 s");
  EXPECT_EQ(result[3].line, "got c");
}

TEST(WorkerPool, AWorkerThatCannotStartEndsTheRun) {
  apps::PoolOptions options;
  options.arguments = {"-c", "echo 'vulcap: error: no device of that name' >&2; exit 4"};
  try {
    answers({"a", "b"}, options);
    FAIL() << "nothing was thrown";
  } catch (const core::Error& error) {
    EXPECT_EQ(int(error.code()), 4);
    EXPECT_EQ(error.message(), "no device of that name");
  }
}

}  // namespace
}  // namespace vulcap::testing
