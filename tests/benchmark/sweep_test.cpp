#include "apps/benchmark/sweep.h"

#include <gtest/gtest.h>

#include "apps/benchmark/measure.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

using Numbers = std::vector<int>;

TEST(ParseNumbers, ReadsListsAndRanges) {
  EXPECT_EQ(parse_numbers("--x", "3", 0, 100), Numbers({3}));
  EXPECT_EQ(parse_numbers("--x", "1,4,16", 0, 100), Numbers({1, 4, 16}));
  EXPECT_EQ(parse_numbers("--x", "1-4", 0, 100), Numbers({1, 2, 3, 4}));
  EXPECT_EQ(parse_numbers("--x", "1-16*2", 0, 100), Numbers({1, 2, 4, 8, 16}));
  EXPECT_EQ(parse_numbers("--x", "2-11+4,0", 0, 100), Numbers({2, 6, 10, 0}));
}

TEST(ParseNumbers, RefusesWhatIsNoList) {
  for (const char* text : {"", "a", "1,", ",1", "4-1", "1-", "-1", "1-4*1", "1-4+0", "0-8*2", "101",
                           "1-1000000", "1.5", "1 2", "99999999999", "1-4*2*2"}) {
    try {
      parse_numbers("--batch-size", text, 0, 100);
      ADD_FAILURE() << "'" << text << "' was taken";
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), core::ErrorCode::kUsage);
      EXPECT_NE(error.message().find("--batch-size"), std::string::npos) << error.message();
    }
  }
  EXPECT_THROW(parse_numbers("--x", "0-5000", 0, 100000), core::Error);
}

TEST(ParseNames, KeepsWhatIsOneName) {
  EXPECT_EQ(parse_names("--dtype", "fp32,q8"), (std::vector<std::string>{"fp32", "q8"}));
  EXPECT_EQ(parse_names("--dtype", "encoder_model=fp16,decoder_model_merged=q4").size(), 1u);
  EXPECT_EQ(parse_names("--model", ""), (std::vector<std::string>{""}));
  EXPECT_THROW(parse_names("--device", "cpu,"), core::Error);
}

TEST(GroupsOf, PutsEnginesOfTheSameSettingsTogether) {
  Sweep sweep;
  sweep.devices = {"cpu", "vulkan"};
  sweep.peers = {"ort-cpu"};
  sweep.batch_sizes = {1, 16};
  const std::vector<BenchGroup> groups = groups_of(sweep);
  ASSERT_EQ(groups.size(), 2u);
  for (const BenchGroup& group : groups) {
    ASSERT_EQ(group.size(), 3u);
    EXPECT_EQ(group[0].device, "cpu");
    EXPECT_EQ(group[1].device, "vulkan");
    EXPECT_EQ(group[2].peer, "ort-cpu");
    EXPECT_TRUE(group[2].device.empty());
  }
  EXPECT_EQ(groups[0][0].batch_size, 1);
  EXPECT_EQ(groups[1][0].batch_size, 16);
}

TEST(Samples, AreSummedUp) {
  const std::vector<double> samples{4, 1, 3, 2};
  EXPECT_DOUBLE_EQ(median(samples), 2.5);
  EXPECT_DOUBLE_EQ(median({5, 1, 3}), 3);
  EXPECT_DOUBLE_EQ(mean(samples), 2.5);
  EXPECT_NEAR(standard_deviation(samples), 1.290994, 1e-6);
  EXPECT_DOUBLE_EQ(quantile(samples, 0.95), 4);
  EXPECT_DOUBLE_EQ(quantile(samples, 0.5), 2);
  EXPECT_DOUBLE_EQ(quantile(samples, 0), 1);
  EXPECT_DOUBLE_EQ(median({}), 0);
  EXPECT_DOUBLE_EQ(standard_deviation({7}), 0);
}

}  // namespace
}  // namespace vulcap::apps
