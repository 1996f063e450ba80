// The tests of batch jobs, short by default. As campaigns:
//   jobs_test --gtest_filter='*Killed*' --images 5000 --kills 300 [--seed S] [--model DIR] [--batch N]
//   jobs_test --gtest_filter='*Stopped*' --images 5000 --stops 100
//   jobs_test --gtest_filter='*WriteFault*' --stride 1
//   jobs_test --gtest_filter='BadImages*' --images 2000
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/jobs/job.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  auto& sizes = vulcap::testing::sizes();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const char* value = argv[i + 1];
    if (flag == "--images") sizes.images = std::strtoull(value, nullptr, 10);
    if (flag == "--kills") sizes.kills = std::strtoull(value, nullptr, 10);
    if (flag == "--stops") sizes.stops = std::strtoull(value, nullptr, 10);
    if (flag == "--stride") sizes.stride = std::strtoull(value, nullptr, 10);
    if (flag == "--seed") sizes.seed = std::strtoull(value, nullptr, 10);
    if (flag == "--model") sizes.model = value;
    if (flag == "--batch") sizes.batch = std::atoi(value);
  }
  return RUN_ALL_TESTS();
}
